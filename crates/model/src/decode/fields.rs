//! From a JSON value to what a field must hold, with errors that name the field.

use crate::error::{FieldError, FieldProblem};
use crate::hash::ContentHash;
use crate::json::Value;

/// The value, if the field is there and not `null`.
pub(super) fn present(value: Option<Value<'_>>) -> Option<Value<'_>> {
    value.filter(|value| !value.is_null())
}

/// An integer from `min` to `max`; neither floats nor booleans are integers.
pub(super) fn integer(
    value: Option<Value<'_>>,
    field: &'static str,
    min: i64,
    max: i64,
) -> Result<i64, FieldError> {
    let refuse = |problem| FieldError { field, problem };
    let value = value.ok_or(refuse(FieldProblem::Missing))?;
    let number = value.integer().ok_or(refuse(FieldProblem::NotInteger))?;
    number
        .filter(|number| (min..=max).contains(number))
        .ok_or(refuse(FieldProblem::OutOfRange { min, max }))
}

/// A string in WTF-8.
pub(super) fn text<'b, 'a: 'b>(
    value: Option<Value<'a>>,
    field: &'static str,
    buffer: &'b mut Vec<u8>,
) -> Result<&'b [u8], FieldError> {
    let value = value.ok_or(FieldError { field, problem: FieldProblem::Missing })?;
    value.text(buffer).ok_or(FieldError { field, problem: FieldProblem::NotText })
}

/// A content hash.
pub(super) fn hash(
    value: Option<Value<'_>>,
    field: &'static str,
    buffer: &mut Vec<u8>,
) -> Result<ContentHash, FieldError> {
    let text = text(value, field, buffer)?;
    ContentHash::from_hex(text).ok_or(FieldError { field, problem: FieldProblem::NotHash })
}

/// A boolean that is `false` if it is not there.
pub(super) fn flag(value: Option<Value<'_>>, field: &'static str) -> Result<bool, FieldError> {
    match present(value) {
        None => Ok(false),
        Some(value) => {
            value.boolean().ok_or(FieldError { field, problem: FieldProblem::NotBoolean })
        }
    }
}

/// The items of a list, at most one more than `most`, which the builder then refuses.
pub(super) fn list<'a>(
    value: Option<Value<'a>>,
    field: &'static str,
    most: u64,
) -> Result<Vec<Value<'a>>, FieldError> {
    let value = value.ok_or(FieldError { field, problem: FieldProblem::Missing })?;
    value.items(most).ok_or(FieldError { field, problem: FieldProblem::NotList })
}
