//! Runs once, prints the report, and the error with its hint, and exits with the code that says how it went.

use std::io::{self, BufWriter, IsTerminal, Write};
use std::process::ExitCode;
use std::sync::Arc;

use kamonline::failure::{Exit, Failure};
use kamonline::report::{self, Color, Format, Style};
use kamonline::run::{self, Mode, Progress};
use kamonline::settings::{Cli, SettingsError};

fn main() -> ExitCode {
    let cli = match Cli::read(std::env::args_os(), std::env::vars_os()) {
        Ok(cli) => cli,
        Err(SettingsError::Clap(error)) => error.exit(),
        Err(SettingsError::Failure(failure)) => {
            complain(&failure, Color::Auto);
            return ExitCode::from(failure.exit.code());
        }
    };
    let style = cli.style();
    let exit = run(cli, style).unwrap_or_else(|failure| {
        complain(&failure, style.color);
        failure.exit
    });
    ExitCode::from(exit.code())
}

fn run(cli: Cli, style: Style) -> Result<Exit, Failure> {
    // Without a provider of its own rustls panics. One that is installed already is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    if let Some(what) = cli.generate {
        let printed = io::stdout().write_all(what.text().as_bytes());
        return checked("it", printed).map(|()| Exit::Done);
    }
    let config = Arc::new(cli.config()?);
    let progress = Progress::new(io::stderr().is_terminal(), &config);
    let mut outcome = run::run_until_signal(&config, &progress);
    progress.end();
    let stdout = io::stdout();
    let terminal = stdout.is_terminal();
    // Somebody who looks by hand: the metrics are of the runs that nobody sees.
    let is_look = terminal && matches!(config.mode, Mode::DryRun { .. });
    if let Some(file) = config.metrics_file.as_ref().filter(|_| !is_look) {
        report::keep_metrics(&mut outcome, file);
    }
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
    match &outcome.failure {
        Some(failure) => complain(failure, style.color),
        None => checked("the run is done, but its report", printed)?,
    }
    Ok(outcome.exit(config.mode))
}

/// A reader who went away, as `head` does, is no failure.
fn checked(what: &str, printed: io::Result<()>) -> Result<(), Failure> {
    match printed {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Failure::new(format!(
            "{what} could not be printed: {error}"
        ))),
        _ => Ok(()),
    }
}

fn complain(failure: &Failure, color: Color) {
    let mut stderr = io::stderr().lock();
    let error = color.error(stderr.is_terminal());
    let _ = writeln!(stderr, "kamonline: {error}: {failure}");
    if let Some(hint) = &failure.hint {
        let _ = writeln!(stderr, "  hint: {hint}");
    }
}
