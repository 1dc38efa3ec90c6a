//! Long random histories: the store tells the same as a simple model, and so does a new store over
//! the same directory.

use std::collections::BTreeMap;

use proptest::prelude::*;
use tempfile::TempDir;

use super::super::*;
use super::{info, open};

/// Names that differ in case, need a stand-in below, or are strange.
fn name(number: usize) -> Wide {
    let long = "€".repeat(100);
    let text = match number % 12 {
        0 => "a",
        1 => "A",
        2 => "b.txt",
        3 => "B.TXT",
        4 => "_",
        5 => "Z",
        6 => "s/ash",
        7 => ".projfs",
        8 => "..",
        9 => long.as_str(),
        10 => "Äé",
        _ => return Wide::new(vec![0xD800, 0x41]),
    };
    Wide::from(text)
}

#[derive(Clone, Debug)]
enum Step {
    Placeholder { directory: bool, size: u64 },
    File,
    Directory,
    Link { directory: bool },
    Tombstone,
    Remove,
    Bury,
    Rename { to: usize, name: usize, hides: bool },
    HardLink { to: usize, name: usize },
    State(FileState),
    Attributes(u32),
    Write(Vec<u8>),
    DropData(u64),
    Extended(Option<u8>),
    Reset(u64),
    Reopen,
}

fn step() -> impl Strategy<Value = Step> {
    let states = [
        FileState::PLACEHOLDER,
        FileState::PLACEHOLDER | FileState::HYDRATED,
        FileState::PLACEHOLDER | FileState::DIRTY,
        FileState::FULL,
        FileState::TOMBSTONE,
    ];
    prop_oneof![
        4 => (any::<bool>(), 0..5000_u64)
            .prop_map(|(directory, size)| Step::Placeholder { directory, size }),
        3 => Just(Step::File),
        2 => Just(Step::Directory),
        1 => any::<bool>().prop_map(|directory| Step::Link { directory }),
        2 => Just(Step::Tombstone),
        2 => Just(Step::Remove),
        2 => Just(Step::Bury),
        6 => (0..9_usize, 0..12_usize, any::<bool>())
            .prop_map(|(to, name, hides)| Step::Rename { to, name, hides }),
        2 => (0..9_usize, 0..12_usize).prop_map(|(to, name)| Step::HardLink { to, name }),
        2 => proptest::sample::select(states.to_vec()).prop_map(Step::State),
        1 => proptest::sample::select(vec![1_u32, 2, 32, 0x1000]).prop_map(Step::Attributes),
        2 => proptest::collection::vec(any::<u8>(), 0..20).prop_map(Step::Write),
        1 => (0..100_u64).prop_map(Step::DropData),
        1 => any::<Option<u8>>().prop_map(Step::Extended),
        1 => (0..100_u64).prop_map(Step::Reset),
        2 => Just(Step::Reopen),
    ]
}

/// What an item is in the model.
#[derive(Clone, Debug)]
struct Thing {
    state: FileState,
    is_directory: bool,
    link: Option<bool>,
    size: u64,
    attributes: u32,
    data: Vec<u8>,
    extended: Option<u8>,
    renamed: bool,
    origin: Wide,
    children: BTreeMap<Vec<u16>, (Wide, usize)>,
}

impl Thing {
    fn new(state: FileState, is_directory: bool, attributes: u32) -> Self {
        Self {
            state,
            is_directory,
            link: None,
            size: 0,
            attributes,
            data: Vec::new(),
            extended: None,
            renamed: false,
            origin: Wide::default(),
            children: BTreeMap::new(),
        }
    }

    fn placeholder(directory: bool, size: u64, origin: &Wide) -> Self {
        let size = if directory { 0 } else { size };
        let data = vec![0; usize::try_from(size).unwrap()];
        let origin = origin.clone();
        let attributes = if directory { 0x10 } else { 0 };
        let new = Self::new(FileState::PLACEHOLDER, directory, attributes);
        Self { size, data, origin, ..new }
    }

    fn tombstone() -> Self {
        Self::new(FileState::TOMBSTONE, false, 0x26)
    }
}

/// Things by number; 0 is the root, which nothing removes.
struct Model(Vec<Thing>);

type Outcome = Result<()>;

impl Model {
    fn at(&self, parent: usize, name: &Wide) -> Option<usize> {
        self.0[parent].children.get(&fold(name)).map(|(_, thing)| *thing)
    }

    fn put(&mut self, parent: usize, name: &Wide, thing: usize) {
        self.0[parent].children.insert(fold(name), (name.clone(), thing));
    }

    fn add(&mut self, parent: usize, name: &Wide, thing: Thing) -> Outcome {
        self.free(parent, name)?;
        self.0.push(thing);
        self.put(parent, name, self.0.len() - 1);
        Ok(())
    }

    fn free(&self, parent: usize, name: &Wide) -> Outcome {
        match self.at(parent, name) {
            Some(old) if self.0[old].state != FileState::TOMBSTONE => Err(HResult::FILE_EXISTS),
            _ => Ok(()),
        }
    }

    fn must(&self, parent: usize, name: &Wide) -> Result<usize> {
        self.at(parent, name).ok_or(HResult::FILE_NOT_FOUND)
    }

    fn shown(&self, parent: usize, name: &Wide) -> Result<usize> {
        let thing = self.must(parent, name)?;
        let hidden = self.0[thing].state == FileState::TOMBSTONE;
        if hidden { Err(HResult::FILE_NOT_FOUND) } else { Ok(thing) }
    }

    fn empty(&self, thing: usize) -> Outcome {
        let hidden = |(_, child): &(Wide, usize)| self.0[*child].state == FileState::TOMBSTONE;
        let empty = self.0[thing].children.values().all(hidden);
        if empty { Ok(()) } else { Err(HResult::DIR_NOT_EMPTY) }
    }

    fn remove(&mut self, parent: usize, name: &Wide) -> Outcome {
        self.empty(self.must(parent, name)?)?;
        self.0[parent].children.remove(&fold(name));
        Ok(())
    }

    fn contains(&self, above: usize, thing: usize) -> bool {
        above == thing || self.0[above].children.values().any(|(_, at)| self.contains(*at, thing))
    }

    fn rename(&mut self, parent: usize, old: &Wide, to: usize, new: &Wide) -> Outcome {
        let thing = self.shown(parent, old)?;
        let same_name = parent == to && fold(old) == fold(new);
        if !same_name {
            if self.contains(thing, to) {
                return Err(HResult::INVALID_ARGUMENT);
            }
            match self
                .at(to, new)
                .filter(|target| self.0[*target].state != FileState::TOMBSTONE && *target != thing)
            {
                Some(target) if self.0[target].is_directory != self.0[thing].is_directory => {
                    return Err(HResult::ACCESS_DENIED);
                }
                Some(target) => self.empty(target)?,
                None => {}
            }
        }
        let is_target = self.at(to, new) == Some(thing);
        let is_placeholder = self.0[thing].state.contains(FileState::PLACEHOLDER);
        self.0[thing].renamed |= is_placeholder && (same_name || !is_target);
        self.0[parent].children.remove(&fold(old));
        self.put(to, new, thing);
        Ok(())
    }

    fn link(&mut self, parent: usize, old: &Wide, to: usize, new: &Wide) -> Outcome {
        let thing = self.shown(parent, old)?;
        if self.0[thing].is_directory {
            return Err(HResult::ACCESS_DENIED);
        }
        self.free(to, new)?;
        self.put(to, new, thing);
        Ok(())
    }

    fn set_state(&mut self, parent: usize, name: &Wide, state: FileState) -> Outcome {
        let thing = self.must(parent, name)?;
        let thing = &mut self.0[thing];
        if thing.state == state {
            return Ok(());
        }
        if state == FileState::TOMBSTONE {
            return Err(HResult::INVALID_ARGUMENT);
        }
        if state.contains(FileState::HYDRATED) && !thing.is_directory && thing.link.is_none() {
            thing.data.resize(usize::try_from(thing.size).unwrap(), 0);
        }
        if state == FileState::FULL {
            (thing.size, thing.renamed, thing.origin) = (0, false, Wide::default());
        }
        thing.state = state;
        Ok(())
    }

    /// All directories that can be reached, in the order in which they are listed.
    fn directories(&self) -> Vec<usize> {
        let mut found = vec![0];
        let mut next = 0;
        while let Some(at) = found.get(next).copied() {
            let below = self.0[at].children.values().map(|(_, child)| *child);
            found.extend(below.filter(|child| self.0[*child].is_directory));
            next += 1;
        }
        found
    }

    fn tell(&self, at: usize, path: &str, told: &mut Vec<String>) {
        for (name, child) in self.0[at].children.values() {
            let thing = &self.0[*child];
            let path = format!("{path}\\{:?}", name.units());
            let full = thing.state == FileState::FULL;
            let has_data = !thing.is_directory && thing.link.is_none();
            let size = if full && has_data { thing.data.len() as u64 } else { thing.size };
            let shown = full || thing.state.contains(FileState::HYDRATED);
            let data = if has_data && shown { thing.data.as_slice() } else { &[] };
            told.push(format!(
                "{path}: {:?} directory {} link {:?} size {size} attributes {:x} data {data:?} \
                 extended {:?} renamed {} origin {:?}",
                thing.state,
                thing.is_directory || thing.link == Some(true),
                thing.link.map(|_| "to"),
                thing.attributes,
                thing.extended,
                thing.renamed,
                thing.origin.units(),
            ));
            self.tell(*child, &path, told);
        }
    }
}

/// The store, and the ids of the model's directories.
struct Real {
    folder: TempDir,
    store: Option<Store>,
}

impl Real {
    fn store(&self) -> &Store {
        self.store.as_ref().unwrap()
    }

    fn directories(&self) -> Vec<ItemId> {
        let mut found = vec![ItemId::ROOT];
        let mut next = 0;
        while let Some(at) = found.get(next).copied() {
            let below = self.store().children(at).unwrap().into_iter();
            let is_directory = |found: &Found| found.item.directory && found.item.link.is_none();
            found.extend(below.filter(is_directory).map(|found| found.item.id));
            next += 1;
        }
        found
    }

    fn tell(&self, at: ItemId, path: &str, told: &mut Vec<String>) {
        let store = self.store();
        for Found { name, item } in store.children(at).unwrap() {
            let path = format!("{path}\\{:?}", name.units());
            let is_directory = item.directory && item.link.is_none();
            let has_data = !item.directory && item.link.is_none();
            let shown = item.state == FileState::FULL || item.state.contains(FileState::HYDRATED);
            let mut data = Vec::new();
            if has_data && shown {
                data = vec![0; usize::try_from(item.basic.size).unwrap() + 1];
                let file = store.data(item.id).unwrap();
                let length = rustix::io::pread(&*file, data.as_mut_slice(), 0).unwrap();
                data.truncate(length);
            }
            let extended = store.extended(item.id).unwrap().first().map(|(_, value)| value[0]);
            told.push(format!(
                "{path}: {:?} directory {} link {:?} size {} attributes {:x} data {data:?} \
                 extended {extended:?} renamed {} origin {:?}",
                item.state,
                item.directory,
                item.link.map(|link| link.to_string()),
                item.basic.size,
                item.basic.attributes,
                item.renamed,
                item.origin.units(),
            ));
            if is_directory {
                self.tell(item.id, &path, told);
            }
        }
    }

    fn item(&self, parent: ItemId, name: &Wide) -> Result<Item> {
        let found = self.store().find(parent, name)?;
        found.map(|found| found.item).ok_or(HResult::FILE_NOT_FOUND)
    }
}

/// Does a step in both; the outcomes are compared by the caller.
fn apply(
    model: &mut Model,
    real: &mut Real,
    step: &Step,
    parent: usize,
    name: &Wide,
) -> (Outcome, Outcome) {
    let (known, ids) = (model.directories(), real.directories());
    assert_eq!(known.len(), ids.len());
    let pick = |number: usize| (known[number % known.len()], ids[number % ids.len()]);
    let (at, id) = pick(parent);
    let unit = |made: Result<Item>| made.map(|_| ());
    if matches!(step, Step::Reopen) {
        real.store = None;
        real.store = Some(open(real.folder.path()));
        return (Ok(()), Ok(()));
    }
    let store = real.store();
    match step {
        Step::Placeholder { directory, size } => {
            let given = info(*directory, *size);
            let new = NewPlaceholder { info: &given, instance: Guid([1; 16]), origin: name };
            let thing = Thing::placeholder(*directory, *size, name);
            (model.add(at, name, thing), unit(store.add_placeholder(id, name, new)))
        }
        Step::File => {
            let thing = Thing::new(FileState::FULL, false, 0x20);
            let made = store.add_full(id, name, NewFull::File { attributes: 0 });
            (model.add(at, name, thing), unit(made))
        }
        Step::Directory => {
            let thing = Thing::new(FileState::FULL, true, 0x12);
            let made = store.add_full(id, name, NewFull::Directory { attributes: 2 });
            (model.add(at, name, thing), unit(made))
        }
        Step::Link { directory } => {
            let attributes = if *directory { 0x10 } else { 0x20 };
            let new = Thing::new(FileState::FULL, false, attributes);
            let thing = Thing { link: Some(*directory), ..new };
            let kind = NewFull::Link { target: Wide::from("to"), directory: *directory };
            (model.add(at, name, thing), unit(store.add_full(id, name, kind)))
        }
        Step::Tombstone => (model.add(at, name, Thing::tombstone()), store.add_tombstone(id, name)),
        Step::Remove => (model.remove(at, name), store.remove(id, name)),
        Step::Bury => {
            let name = store.find(id, name).unwrap().map_or(name.clone(), |found| found.name);
            let removed = model.remove(at, &name);
            let buried = removed.and_then(|()| model.add(at, &name, Thing::tombstone()));
            (buried, store.bury(id, &name))
        }
        Step::Rename { to, name: new, hides } => {
            let ((to, to_id), new) = (pick(*to), self::name(*new));
            let old = store.find(id, name).unwrap().map_or(name.clone(), |found| found.name);
            let renamed = model.rename(at, name, to, &new);
            if !hides {
                return (renamed, store.rename((id, name), (to_id, &new)));
            }
            if renamed.is_ok() && (at, fold(name)) != (to, fold(&new)) {
                model.add(at, &old, Thing::tombstone()).unwrap();
            }
            (renamed, store.rename_hiding((id, &old), (to_id, &new)))
        }
        Step::HardLink { to, name: new } => {
            let ((to, to_id), new) = (pick(*to), self::name(*new));
            let linked = real.item(id, name).and_then(|item| store.link(item.id, to_id, &new));
            (model.link(at, name, to, &new), linked)
        }
        _ => change(model, real, step, (at, id), name),
    }
}

/// Steps that change an item in its place.
fn change(
    model: &mut Model,
    real: &Real,
    step: &Step,
    (at, parent): (usize, ItemId),
    name: &Wide,
) -> (Outcome, Outcome) {
    let store = real.store();
    let (expected, item) = (model.must(at, name), real.item(parent, name));
    let (Ok(number), Ok(item)) = (&expected, &item) else {
        return (expected.map(|_| ()), item.map(|_| ()));
    };
    let thing = &mut model.0[*number];
    if thing.state == FileState::TOMBSTONE {
        return (Ok(()), Ok(()));
    }
    let has_data = !thing.is_directory && thing.link.is_none();
    match step {
        Step::State(state) => (model.set_state(at, name, *state), store.set_state(item.id, *state)),
        Step::Attributes(attributes) => {
            let directory = thing.is_directory || thing.link == Some(true);
            thing.attributes = attributes & !0x1000 | if directory { 0x10 } else { 0 };
            let basic = BasicInfo { attributes: *attributes, ..item.basic };
            (Ok(()), store.set_basic(item.id, basic))
        }
        Step::Write(data) if has_data && thing.state == FileState::FULL => {
            thing.data.clone_from(data);
            let written = store.drop_data(item.id, 0).and_then(|()| {
                let file = store.data(item.id)?;
                rustix::io::pwrite(&*file, data, 0).unwrap();
                Ok(())
            });
            (Ok(()), written)
        }
        Step::DropData(size) if has_data => {
            thing.state.remove(FileState::HYDRATED);
            thing.data = vec![0; usize::try_from(*size).unwrap()];
            (Ok(()), store.drop_data(item.id, *size))
        }
        Step::Extended(value) => {
            let missing = value.is_none() && thing.extended.is_none();
            let outcome = if missing { Err(HResult::FILE_NOT_FOUND) } else { Ok(()) };
            thing.extended = *value;
            let bytes = value.map(|byte| [byte]);
            let bytes = bytes.as_ref().map(<[u8; 1]>::as_slice);
            (outcome, store.set_extended(item.id, b"projfs.E", bytes))
        }
        Step::Reset(size) if has_data => {
            *thing = Thing::placeholder(false, *size, name);
            let given = info(false, *size);
            let new = NewPlaceholder { info: &given, instance: Guid([1; 16]), origin: name };
            (Ok(()), store.reset(item.id, new))
        }
        _ => (Ok(()), Ok(())),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, ..ProptestConfig::default() })]
    #[test]
    fn the_store_tells_what_the_model_tells(
        steps in proptest::collection::vec((step(), 0..9_usize, 0..12_usize), 1..60),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let store = Some(open(folder.path()));
        let mut real = Real { folder, store };
        let mut model = Model(vec![Thing::new(FileState::FULL, true, 0x10)]);
        for (number, (step, parent, at)) in steps.iter().enumerate() {
            let (expected, outcome) = apply(&mut model, &mut real, step, *parent, &name(*at));
            prop_assert_eq!(expected, outcome, "step {}: {:?} {}", number, step, name(*at));
            let (mut modelled, mut told) = (Vec::new(), Vec::new());
            model.tell(0, "", &mut modelled);
            real.tell(ItemId::ROOT, "", &mut told);
            prop_assert_eq!(modelled, told, "after step {}: {:?} {}", number, step, name(*at));
        }
        drop(real.store.take());
        real.store = Some(open(real.folder.path()));
        let (mut modelled, mut told) = (Vec::new(), Vec::new());
        model.tell(0, "", &mut modelled);
        real.tell(ItemId::ROOT, "", &mut told);
        prop_assert_eq!(modelled, told, "after starting again");
    }
}
