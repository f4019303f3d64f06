//! Packets of MySQL's protocol, as far as a login needs them: three bytes of length, one that counts, and so many bytes.

use std::io::{self, ErrorKind};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// How long one attempt to connect may take. A server that is up answers in milliseconds; one that recovers from a crash
/// refuses at once.
pub(super) const CONNECT_WITHIN: Duration = Duration::from_secs(15);

/// Packets of a login are short; what is longer is none.
const LONGEST_PACKET: usize = 64 * 1024;

/// One side of a conversation. Nothing is read ahead, so that what carries it may change between two packets.
#[derive(Debug)]
pub(super) struct Wire<S> {
    pub(super) stream: S,
    /// The number of the next packet that is written.
    pub(super) sequence: u8,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Wire<S> {
    pub(super) fn new(stream: S) -> Self {
        Self { stream, sequence: 0 }
    }

    pub(super) async fn read(&mut self) -> io::Result<Vec<u8>> {
        let mut head = [0; 4];
        self.stream.read_exact(&mut head).await?;
        let length = usize::from(head[0]) | usize::from(head[1]) << 8 | usize::from(head[2]) << 16;
        if length > LONGEST_PACKET {
            return Err(io::Error::new(ErrorKind::InvalidData, format!("a packet of {length} bytes in a login")));
        }
        self.sequence = head[3].wrapping_add(1);
        let mut packet = vec![0; length];
        self.stream.read_exact(&mut packet).await?;
        Ok(packet)
    }

    pub(super) async fn write(&mut self, packet: &[u8]) -> io::Result<()> {
        let [a, b, c, _] = u32::try_from(packet.len()).map_err(io::Error::other)?.to_le_bytes();
        let mut bytes = vec![a, b, c, self.sequence];
        bytes.extend_from_slice(packet);
        self.sequence = self.sequence.wrapping_add(1);
        self.stream.write_all(&bytes).await?;
        self.stream.flush().await
    }
}
