//! Symbolic links: shown as links, as what they lead to, or not at all.

use std::collections::HashMap;

use ntfs_names as names;
use rusty_attachments_model::{PathBuf, PathRef};
use rusty_attachments_vfs::{Attributes, NodeId, NodeKind, VfsErrorKind, Volume};

use super::decisions::{Decisions, Why};
use super::report::LinkFault;
use super::spellings::Spellings;
use super::{BACKSLASH, wide};
use crate::error::ProjFsError;

const UP: &[u8] = b"..";

/// How many links a way may lead through, as on Linux.
const LONGEST_CHAIN: usize = 40;

/// What becomes of symbolic links that stay in the tree. Those that leave it are never shown: a
/// job's files must not reach what else is on the machine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LinkPolicy {
    /// They are links (Windows 2004 and newer). A link to something that Windows cannot show is
    /// left out: it might lead to another file that differs in case.
    #[default]
    Links,
    /// Links to files are shown as those files; links to folders are reported and left out, since
    /// folders inside themselves would have no end.
    Content,
}

/// What becomes of one link.
#[derive(Debug)]
pub(super) enum Shown {
    Link { target: Box<[u16]>, directory: bool },
    File(Attributes),
    Not { target: PathBuf, why: LinkFault },
}

/// What decides on links.
pub(super) struct Links<'a> {
    volume: &'a dyn Volume,
    decisions: &'a Decisions,
    /// While links are decided on; later it is known which need another spelling.
    spellings: Option<Spellings>,
}

/// A way that is being followed.
struct Position {
    at: NodeId,
    /// The names still to go, the next one last.
    ahead: Vec<Vec<u8>>,
    /// Whether a name was found in another spelling only.
    respelled: bool,
}

impl<'a> Links<'a> {
    pub(super) const fn new(volume: &'a dyn Volume, decisions: &'a Decisions) -> Self {
        Self { volume, decisions, spellings: None }
    }

    /// Looks for other spellings too.
    pub(super) fn with_spellings(self) -> Self {
        Self { spellings: Some(Spellings::default()), ..self }
    }

    /// Where the links lead that need another spelling.
    pub(super) fn into_ends(self) -> HashMap<NodeId, NodeId> {
        self.spellings.map(|spellings| spellings.ends).unwrap_or_default()
    }

    /// Decides on the link `link` in `folder`.
    pub(super) fn shown(&mut self, folder: NodeId, link: NodeId) -> Result<Shown, ProjFsError> {
        let target = self.volume.link_target(link)?;
        let end = match self.decisions.end(link) {
            Some(end) => Ok(Some(self.volume.attributes(end)?)),
            None => self.follow(folder, link, &target)?,
        };
        Ok(match end.and_then(|end| self.present(&target, end)) {
            Ok(shown) => shown,
            Err(why) => Shown::Not { target: PathBuf::from_wtf8(target), why },
        })
    }

    fn present(&self, target: &[u8], end: Option<Attributes>) -> Result<Shown, LinkFault> {
        match (self.decisions.policy(), end) {
            (LinkPolicy::Links, end) => {
                let directory = end.is_some_and(|end| end.kind == NodeKind::Directory);
                Ok(Shown::Link { target: Way::of(target)?.spelled(), directory })
            }
            (LinkPolicy::Content, None) => Err(LinkFault::Dangling),
            (LinkPolicy::Content, Some(end)) if end.kind == NodeKind::File => Ok(Shown::File(end)),
            (LinkPolicy::Content, Some(_)) => Err(LinkFault::Folder),
        }
    }

    /// What a link leads to in the end; `None` if there is nothing.
    fn follow(
        &mut self,
        folder: NodeId,
        link: NodeId,
        target: &[u8],
    ) -> Result<Result<Option<Attributes>, LinkFault>, ProjFsError> {
        let mut target = target.to_vec();
        let mut position = Position { at: folder, ahead: Vec::new(), respelled: false };
        for _ in 0..LONGEST_CHAIN {
            let way = match self.way(&target) {
                Ok(way) => way,
                Err(fault) => return Ok(Err(fault)),
            };
            for _ in 0..way.ups {
                if position.at == NodeId::ROOT {
                    return Ok(Err(LinkFault::Outside));
                }
                position.at = self.volume.children(position.at)?.parent();
            }
            position.ahead.extend(way.names.iter().rev().map(|name| name.to_vec()));
            match self.descend(&mut position)? {
                Stop::Link(next) => target = self.volume.link_target(next)?,
                Stop::Nothing => return Ok(Ok(None)),
                Stop::Hidden => return Ok(Err(LinkFault::NotShown)),
                Stop::At(end) => {
                    if let Some(spellings) = self.spellings.as_mut().filter(|_| position.respelled)
                    {
                        spellings.ends.insert(link, end.node);
                    }
                    return Ok(Ok(Some(end)));
                }
            }
        }
        Ok(Err(LinkFault::Endless))
    }

    fn way<'t>(&self, target: &'t [u8]) -> Result<Way<'t>, LinkFault> {
        let way = Way::of(target)?;
        // Windows would take another meaning from such names, if it took one at all; content is
        // found without it.
        if self.decisions.policy() == LinkPolicy::Links
            && let Some(why) = way.names.iter().find_map(|name| names::unopenable(&wide(name)))
        {
            return Err(LinkFault::Impossible(why));
        }
        Ok(way)
    }

    /// Goes down until the names end, or a link is met.
    fn descend(&mut self, position: &mut Position) -> Result<Stop, ProjFsError> {
        while let Some(name) = position.ahead.pop() {
            let Some(met) = self.meet(position, &name)? else { return Ok(Stop::Nothing) };
            let omitted = self.decisions.why_hidden(met.node) == Some(Why::Omitted);
            if omitted && self.decisions.policy() == LinkPolicy::Links {
                return Ok(Stop::Hidden);
            }
            match met.kind {
                NodeKind::Directory => position.at = met.node,
                NodeKind::Symlink => return Ok(Stop::Link(met.node)),
                NodeKind::File if position.ahead.is_empty() => return Ok(Stop::At(met)),
                NodeKind::File => return Ok(Stop::Nothing),
            }
        }
        Ok(Stop::At(self.volume.attributes(position.at)?))
    }

    /// The entry of a name, or else the one that Windows would find under it.
    fn meet(
        &mut self,
        position: &mut Position,
        name: &[u8],
    ) -> Result<Option<Attributes>, ProjFsError> {
        match self.volume.lookup(position.at, PathRef::from_wtf8(name)) {
            Ok(met) => return Ok(Some(met)),
            Err(error) if error.kind() == VfsErrorKind::NotFound => {}
            Err(error) => return Err(error.into()),
        }
        let Some(spellings) = &mut self.spellings else { return Ok(None) };
        let Some(node) = spellings.find(self.volume, self.decisions, position.at, name)? else {
            return Ok(None);
        };
        position.respelled = true;
        Ok(Some(self.volume.attributes(node)?))
    }
}

/// Where a way down ends.
enum Stop {
    Link(NodeId),
    At(Attributes),
    Nothing,
    Hidden,
}

/// A target without detours. Windows removes `name\..` before it looks whether the name is a
/// link, so what is decided here is where it will go.
struct Way<'t> {
    /// How often up first.
    ups: usize,
    /// Then down.
    names: Vec<&'t [u8]>,
}

impl<'t> Way<'t> {
    fn of(target: &'t [u8]) -> Result<Self, LinkFault> {
        match target {
            [] => return Err(LinkFault::Dangling),
            [b'/', ..] => return Err(LinkFault::Outside),
            _ => {}
        }
        let mut way = Self { ups: 0, names: Vec::new() };
        for name in target.split(|&byte| byte == b'/') {
            match name {
                b"" | b"." => {}
                UP if way.names.pop().is_none() => way.ups += 1,
                UP => {}
                name => way.names.push(name),
            }
        }
        Ok(way)
    }

    /// As Windows writes it (projfs.md E21).
    fn spelled(&self) -> Box<[u16]> {
        let ups = std::iter::repeat_n(UP, self.ups);
        let names: Vec<_> = ups.chain(self.names.iter().copied()).map(wide).collect();
        if names.is_empty() {
            return wide(b".").into();
        }
        names.join(&BACKSLASH).into()
    }
}
