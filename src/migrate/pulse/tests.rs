use super::*;

/// What a look finds.
#[derive(Clone, Copy)]
enum Found {
    Sessions(&'static [i64]),
    Nothing,
    Refusal,
}

async fn after(script: &[Found]) -> (usize, End) {
    let pulse = Pulse::default();
    let _beats = [pulse.begin(7), pulse.begin(8)];
    drop(pulse.begin(9));
    let mut looks = 0;
    let look = || -> Looking<'static> {
        let found = script[looks.min(script.len() - 1)];
        looks += 1;
        Box::pin(std::future::ready(match found {
            Found::Sessions(known) => Ok(known.iter().copied().collect()),
            Found::Nothing => Err(MigrateError::Connect {
                location: String::new(),
                source: sqlx::Error::Io(std::io::Error::from(std::io::ErrorKind::TimedOut)),
            }),
            Found::Refusal => Err(MigrateError::Worker("too many connections".to_owned())),
        }))
    };
    let end = end(Duration::from_millis(1), &pulse, look).await;
    (looks, end)
}

#[tokio::test]
async fn silence_ends_the_waiting_and_an_answer_or_a_refusal_breaks_the_silence() {
    let (well, silence) = (Found::Sessions(&[7, 8, 100]), Found::Nothing);
    let (looks, end) = after(&[silence]).await;
    assert!(matches!(end, End::Silent { .. }) && looks == 5, "{end:?} after {looks}");
    let (looks, end) = after(&[silence, silence, silence, silence, well, silence]).await;
    assert!(matches!(end, End::Silent { .. }) && looks == 10, "{end:?} after {looks}");
    let (looks, end) = after(&[silence, silence, silence, silence, Found::Refusal, silence]).await;
    assert!(matches!(end, End::Silent { .. }) && looks == 10, "{end:?} after {looks}");
}

#[tokio::test]
async fn a_session_that_its_server_does_not_know_is_waited_for_no_longer() {
    let (well, lost) = (Found::Sessions(&[7, 8]), Found::Sessions(&[8]));
    let (looks, end) = after(&[well, lost, well, lost, lost]).await;
    assert!(matches!(end, End::Missing) && looks == 5, "{end:?} after {looks}");
}
