//! Table `catalogue`.
