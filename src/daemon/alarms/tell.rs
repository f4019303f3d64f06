//! Telling an alarm: the hook command, the webhook, the ping. Each gets one try within a short time.

use std::time::Duration;

use super::Alarm;
use crate::config::{Alarms as Settings, HttpUrl};
use crate::failure::Chain;
use crate::process::Command;
use crate::service;

/// How long the hook may take: it sends a mail at worst.
const HOOK_DEADLINE: Duration = Duration::from_secs(60);

/// Tells everybody configured; what could not be told, in words.
pub(super) async fn everybody(settings: &Settings, alarm: &Alarm) -> Result<(), String> {
    let text = serde_json::to_string(alarm).map_err(|error| error.to_string())?;
    let mut wrong = Vec::new();
    if let Some(argv) = &settings.command {
        let mut command = Command::new(argv, HOOK_DEADLINE);
        command.input = format!("{text}\n").into_bytes();
        if let Err(error) = command.succeed().await {
            wrong.push(Chain(&error).to_string());
        }
    }
    if let Some(url) = &settings.webhook
        && let Err(why) = service::post(url, &text).await
    {
        wrong.push(why);
    }
    if wrong.is_empty() { Ok(()) } else { Err(wrong.join("; ")) }
}

/// Says that we live. Who does not hear it raises the alarm, so one that fails needs none of ours.
pub(super) async fn ping(url: &HttpUrl) {
    if let Err(why) = service::ping(url).await {
        tracing::warn!(why, "the ping after a good archive did not arrive");
    }
}
