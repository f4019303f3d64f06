//! Table `holds`.
