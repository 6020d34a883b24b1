//! A broker of the test's own.

use std::path::{Path, PathBuf};

use rand::RngExt;
use uuid::Uuid;

const SERVICES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/services");

/// A RabbitMQ node with everything it owns in one folder; both go when this is dropped.
pub struct Node {
    pub url: String,
    folder: PathBuf,
    port: u16,
}

impl Node {
    pub async fn start() -> Self {
        let folder = std::env::temp_dir().join(format!("quests-faults-{}", Uuid::new_v4()));
        // Its three ports lie below those that outgoing connections get: they stay free while it is down.
        let port = rand::rng().random_range(30_000..32_000);
        let mut node = Self { url: String::new(), folder, port };
        node.url = node.started().await;
        node
    }

    async fn started(&self) -> String {
        let output = tokio::process::Command::new(SERVICES)
            .arg("broker-start")
            .arg(&self.folder)
            .arg(self.port.to_string())
            .output()
            .await
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    /// Starts it again, where it was.
    pub async fn start_again(&self) {
        assert_eq!(self.started().await, self.url);
    }

    /// Tells it something, as an operator does.
    pub async fn control(&self, arguments: &[&str]) {
        let mut command = tokio::process::Command::new(SERVICES);
        let output = command.arg("broker-control").arg(&self.folder).args(arguments).output().await.unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    /// In order, or as a crash would.
    pub async fn stop(&self, kill: bool) {
        let mut command = tokio::process::Command::new(SERVICES);
        command.arg("broker-stop").arg(&self.folder).args(kill.then_some("--kill"));
        let output = command.output().await.unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let mut command = std::process::Command::new(SERVICES);
        let stopped = command.arg("broker-stop").arg(&self.folder).arg("--kill").output();
        // The folder may be a link to one that the server's user can reach.
        let real = self.folder.canonicalize();
        let removed = real.and_then(|real| remove(&real).and_then(|()| remove(&self.folder)));
        if !std::thread::panicking() {
            assert!(stopped.unwrap().status.success());
            removed.unwrap();
        }
    }
}

fn remove(path: &Path) -> std::io::Result<()> {
    match path.symlink_metadata() {
        Ok(found) if found.is_symlink() => std::fs::remove_file(path),
        Ok(_) => std::fs::remove_dir_all(path),
        Err(_) => Ok(()),
    }
}
