//! Table `journal`.
