//! From a JSON value to what a field must hold, with errors that name the field.

use crate::error::{FieldError, FieldProblem};
use crate::hash::ContentHash;
use crate::json::{Reader, Value};

/// The value, if the field is there and not `null`.
pub(super) fn present(value: Option<Value<'_>>) -> Option<Value<'_>> {
    value.filter(|value| !matches!(value, Value::Null))
}

/// An integer from `min` to `max`; neither floats nor booleans are integers.
pub(super) fn integer(
    value: Option<Value<'_>>,
    field: &'static str,
    min: i64,
    max: i64,
) -> Result<i64, FieldError> {
    let refuse = |problem| FieldError { field, problem };
    match value {
        Some(Value::Integer(number)) => number
            .filter(|number| (min..=max).contains(number))
            .ok_or(refuse(FieldProblem::OutOfRange { min, max })),
        Some(_) => Err(refuse(FieldProblem::NotInteger)),
        None => Err(refuse(FieldProblem::Missing)),
    }
}

/// A string in WTF-8.
pub(super) fn text<'b, 'a: 'b>(
    value: Option<Value<'a>>,
    field: &'static str,
    buffer: &'b mut Vec<u8>,
) -> Result<&'b [u8], FieldError> {
    match value {
        Some(Value::Text(text)) => Ok(text.wtf8(buffer)),
        Some(_) => Err(FieldError { field, problem: FieldProblem::NotText }),
        None => Err(FieldError { field, problem: FieldProblem::Missing }),
    }
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
        Some(Value::Bool(flag)) => Ok(flag),
        Some(_) => Err(FieldError { field, problem: FieldProblem::NotBoolean }),
    }
}

/// A list: a reader inside it and the number of its items.
pub(super) fn list<'a>(
    value: Option<Value<'a>>,
    field: &'static str,
) -> Result<(Reader<'a>, usize), FieldError> {
    match value {
        Some(Value::List(items, len)) => Ok((items, len)),
        Some(_) => Err(FieldError { field, problem: FieldProblem::NotList }),
        None => Err(FieldError { field, problem: FieldProblem::Missing }),
    }
}
