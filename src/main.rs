//! Runs once, prints the report, and the error with its hint, and exits with the code that says how it went.

use std::io::{self, BufWriter, IsTerminal, Write};
use std::process::ExitCode;

use kamonline::cli::Cli;
use kamonline::config::Config;
use kamonline::failure::{Exit, Failure};
use kamonline::report::{self, Format, Style};
use kamonline::waiting::Waiting;

fn main() -> ExitCode {
    let cli = match Cli::read(std::env::args_os()) {
        Ok(cli) => cli,
        Err(error) => error.exit(),
    };
    let style = Style::resolve(&cli);
    let exit = run(cli, style).unwrap_or_else(|failure| {
        complain(&failure);
        failure.exit
    });
    ExitCode::from(exit as u8)
}

fn run(cli: Cli, style: Style) -> Result<Exit, Failure> {
    // Without a provider of its own rustls panics. One that is installed already is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let config = Config::resolve(cli)?;
    let waiting = Waiting::new(io::stderr().is_terminal());
    let mut outcome = kamonline::run(&config, &waiting);
    drop(waiting);
    let stdout = io::stdout();
    let terminal = stdout.is_terminal();
    let printed = report::write(
        &outcome,
        style,
        terminal,
        &mut BufWriter::new(stdout.lock()),
    );
    if style.format == Format::Text {
        for warning in &outcome.warnings {
            // Nobody is left to complain to when standard error is closed.
            let _ = writeln!(io::stderr(), "kamonline: warning: {warning}");
        }
    }
    let exit = outcome.exit(config.mode);
    match (outcome.failure.take(), printed) {
        (Some(failure), _) => Err(failure),
        (None, Err(error)) if error.kind() != io::ErrorKind::BrokenPipe => Err(Failure::new(
            format!("the run is done, but its report could not be printed: {error}"),
        )),
        _ => Ok(exit),
    }
}

fn complain(failure: &Failure) {
    let mut stderr = io::stderr().lock();
    let _ = writeln!(stderr, "kamonline: error: {failure}");
    if let Some(hint) = &failure.hint {
        let _ = writeln!(stderr, "  hint: {hint}");
    }
}
