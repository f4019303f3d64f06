//! Whether a scratch fits where its server keeps its data, as far as that is this host.

use crate::archive::Manifest;
use crate::durable;
use crate::engine::scratch::Scratch;
use crate::pen::human;

/// What stays free beside it, whatever the archive takes.
const SPARE_BYTES: u64 = 256 * 1024 * 1024;

/// Why it does not; none where it does, and where nobody can tell.
pub(super) async fn objection(scratch: &Scratch, manifest: &Manifest) -> Option<String> {
    let directory = scratch.directory().await?;
    // Its insides may be the server's alone; the file system is that of the nearest directory we may look at.
    let nearest = directory.ancestors().find(|above| above.exists())?;
    // A table with its indexes takes about twice its rows, and the server's log, which an archiver or a replica may keep back, once more.
    let needed = manifest.database_bytes().saturating_mul(if scratch.is_file() { 1 } else { 3 }).saturating_add(SPARE_BYTES);
    let free = durable::free_bytes(nearest).ok()?;
    (free < needed).then(|| {
        format!(
            "it may need {} and {} has {} free: make room there, or name another server as `scratch` in `[targets.T.drill]`",
            human::size(needed),
            nearest.display(),
            human::size(free)
        )
    })
}
