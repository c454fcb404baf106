//! Child processes that never outlive this process, however it ends.
//!
//! A static is not dropped, a destructor does not run on SIGKILL, and Ctrl-C runs none either. `PR_SET_PDEATHSIG` would
//! need `unsafe` to be set between fork and exec, and fires when the *thread* that spawned the child ends, which for a
//! test is its own thread. So each server runs under a small shell that reads from a pipe whose only writing end this
//! process holds: when this process ends in any way, the kernel closes the pipe, the shell reads end-of-file and kills
//! the server. The shell itself starts the server, so the server never runs unwatched.

use super::error::{Context, Error, Result};
use std::fs::{self, File};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// Runs `$2...` until it or standard input ends; writes its pid to the file `$1`.
///
/// The pipe is moved to descriptor 3 because a shell gives its background jobs an empty standard input.
const RUN_WATCHED: &str = r#"
pid_file=$1; shift
exec 3<&0 </dev/null
"$@" 3<&- &
server=$!
{ read -r line <&3; kill -KILL "$server"; } 2>/dev/null &
watch=$!
echo "$server" >"$pid_file"
wait "$server"
code=$?
kill "$watch" 2>/dev/null
exit "$code"
"#;

/// Removes the folder `$1` when standard input ends.
///
/// The servers are killed at the same moment and may still write, so the removal is repeated until the folder no longer
/// reappears.
const SWEEP: &str = r#"
read -r line
for try in 1 2 3 4 5 6 7 8 9 10; do
  rm -rf -- "$1"
  sleep 0.2
  [ -e "$1" ] || exit 0
done
"#;

/// How long a killed process may take to end, and a started shell to write a pid.
const PROMPT: Duration = Duration::from_secs(10);

/// A server and the shell that watches it.
pub struct Server {
    name: &'static str,
    pid: u32,
    log: PathBuf,
    shell: Child,
}

impl Server {
    /// Starts `program` with its standard output and error in `<folder>/<name>.log`.
    pub fn start(name: &'static str, program: &Path, args: &[String], folder: &Path) -> Result<Self> {
        let log = folder.join(format!("{name}.log"));
        let pid_file = folder.join(format!("{name}.pid"));
        // The pid of an earlier try must not be read as the new one.
        let _ = fs::remove_file(&pid_file);
        let out = File::create(&log).context(format!("creating {}", log.display()))?;
        let errors = out.try_clone().context("sharing the log file")?;
        let shell = watching_shell(RUN_WATCHED)
            .arg(&pid_file)
            .arg(program)
            .args(args)
            .current_dir(folder)
            .stdout(out)
            .stderr(errors)
            .spawn()
            .context(format!("starting {name}"))?;
        let mut server = Self { name, pid: 0, log, shell };
        server.pid = server.read_pid(&pid_file)?;
        Ok(server)
    }

    fn read_pid(&mut self, pid_file: &Path) -> Result<u32> {
        let start = Instant::now();
        while start.elapsed() < PROMPT {
            let text = fs::read_to_string(pid_file).unwrap_or_default();
            if let Ok(pid) = text.trim().parse() {
                return Ok(pid);
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        Err(Error::new(format!("waited {PROMPT:?} for the pid of {}", self.name)))
    }

    /// The server's name, such as `kube-apiserver`.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// The server's pid (not its shell's), to stop or freeze it in a test.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// An error with the log's tail if the server has ended.
    pub fn check_alive(&mut self) -> Result<()> {
        match self.shell.try_wait() {
            Ok(None) => Ok(()),
            Ok(Some(status)) => Err(Error::new(format!(
                "{} died ({}), its log {} ends with:\n{}",
                self.name,
                describe(status),
                self.log.display(),
                self.log_tail()
            ))),
            Err(error) => Err(Error::new(format!("checking {}: {error}", self.name))),
        }
    }

    /// The exit code of a server that has ended; 128 plus the signal's number if a signal ended it.
    pub fn exit_code(&mut self) -> Option<i32> {
        self.shell.try_wait().ok().flatten().and_then(|status| status.code())
    }

    /// Whether the server's log reports that its port was in use.
    pub fn port_was_in_use(&self) -> bool {
        self.log_text().contains("address already in use")
    }

    /// The last lines of the server's log.
    pub fn log_tail(&self) -> String {
        let text = self.log_text();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(15)..].join("\n")
    }

    fn log_text(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.log).unwrap_or_default()).into_owned()
    }
}

impl Server {
    /// Kills the server and waits until it has ended.
    pub fn kill(&mut self) {
        // End-of-file makes the shell kill the server; the shell ends after the server.
        drop(self.shell.stdin.take());
        let start = Instant::now();
        while start.elapsed() < PROMPT {
            match self.shell.try_wait() {
                Ok(None) => std::thread::sleep(Duration::from_millis(2)),
                Ok(Some(_)) | Err(_) => return,
            }
        }
        eprintln!("control plane: waited {PROMPT:?} for {} (pid {}) to end", self.name, self.pid);
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Removes a folder when this process ends, or earlier when dropped.
pub struct FolderCleanup {
    folder: PathBuf,
    shell: Child,
}

impl FolderCleanup {
    /// Takes ownership of the folder.
    pub fn start(folder: PathBuf) -> Result<Self> {
        let shell = watching_shell(SWEEP)
            .arg(&folder)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .context("starting the shell that removes the control plane's folder")?;
        Ok(Self { folder, shell })
    }
}

impl Drop for FolderCleanup {
    fn drop(&mut self) {
        let removed = fs::remove_dir_all(&self.folder);
        if removed.is_ok() {
            // The shell has nothing left to do.
            let _ = self.shell.kill();
        } else {
            drop(self.shell.stdin.take());
        }
        let _ = self.shell.wait();
    }
}

/// A shell with a pipe as its standard input, outside the terminal's process group: Ctrl-C must end only this process,
/// because the shell then has to stop the server.
fn watching_shell(script: &str) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", script, "control-plane-watch"]).stdin(Stdio::piped()).process_group(0);
    command
}

fn describe(status: ExitStatus) -> String {
    match status.code() {
        // A shell reports the signal that ended its child like this.
        Some(code) if code > 128 => format!("signal {}", code - 128),
        Some(code) => format!("exit code {code}"),
        None => status.to_string(),
    }
}
