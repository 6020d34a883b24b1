//! Reads command line and environment, and reports every bad setting in one go.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fmt::Write;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, Command, Parser};

use super::Wrong;

/// Why there is no configuration.
#[derive(Debug)]
pub enum Refused {
    /// What clap says best: help, the version, an unknown option.
    Usage(clap::Error),
    /// Settings that cannot be.
    Settings(Vec<Wrong>),
}

/// Reads it all. clap stops at the first bad value: here that gives way to a stand-in, until nothing bad is left.
///
/// # Errors
/// Everything that is wrong.
pub fn read<C: Parser>(
    arguments: impl IntoIterator<Item = OsString>,
    contradictions: impl Fn(&C) -> Vec<(Vec<&'static str>, String)>,
) -> Result<C, Refused> {
    let mut arguments: Vec<OsString> = arguments.into_iter().collect();
    let root = C::command();
    let mut wrong: Vec<Wrong> = Vec::new();
    let config = loop {
        let error = match C::try_parse_from(&arguments) {
            Ok(config) => break config,
            Err(error) => error,
        };
        let command = chosen(&root, &arguments);
        let faults = command.map(|command| faults(command, &error)).unwrap_or_default();
        // What is no setting's fault, or one that a stand-in did not mend, is clap's to tell.
        if faults.is_empty() || faults.iter().any(|(arg, _)| wrong.iter().any(|known| known.setting == name(arg))) {
            if wrong.is_empty() {
                return Err(Refused::Usage(without_values(error)));
            }
            return Err(Refused::Settings(wrong));
        }
        for (arg, detail) in faults {
            replace(&mut arguments, arg);
            wrong.push(Wrong { setting: name(arg), detail });
        }
    };
    for (settings, detail) in contradictions(&config) {
        // What is said of a stand-in is said of nothing.
        if !settings.iter().any(|setting| wrong.iter().any(|known| known.setting == *setting)) {
            wrong.push(Wrong { setting: settings.first().copied().unwrap_or_default().to_owned(), detail });
        }
    }
    if wrong.is_empty() { Ok(config) } else { Err(Refused::Settings(wrong)) }
}

/// All of it as lines for a person.
#[must_use]
pub fn shown(wrong: &[Wrong]) -> String {
    let mut text = match wrong.len() {
        1 => "a setting is wrong; nothing was started".to_owned(),
        several => format!("{several} settings are wrong; nothing was started"),
    };
    for Wrong { setting, detail } in wrong {
        // Writing to a string does not fail.
        let _ = write!(text, "\n  {setting} {detail}");
    }
    text
}

fn name(arg: &Arg) -> String {
    arg.get_env().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

/// The command that is run; some have commands of their own.
fn chosen<'a>(root: &'a Command, arguments: &[OsString]) -> Option<&'a Command> {
    let words = arguments.iter().skip(1);
    let found = words.fold(root, |command, word| command.find_subcommand(word).unwrap_or(command));
    (!std::ptr::eq(found, root)).then_some(found)
}

/// The settings that an error is about, each with what is wrong and what to write instead.
fn faults<'a>(command: &'a Command, error: &clap::Error) -> Vec<(&'a Arg, String)> {
    let settings = || command.get_arguments().filter(|arg| arg.get_env().is_some());
    let long = |shown: &str| {
        let name = shown.split_whitespace().next().unwrap_or_default().trim_start_matches("--").to_owned();
        settings().find(|arg| arg.get_long() == Some(name.as_str()))
    };
    match (error.kind(), error.get(ContextKind::InvalidArg)) {
        (ErrorKind::MissingRequiredArgument, Some(ContextValue::Strings(missing))) => {
            let missing = missing.iter().filter_map(|shown| long(shown));
            missing.map(|arg| (arg, format!("is missing. {}", meaning(arg)))).collect()
        }
        (ErrorKind::ValueValidation | ErrorKind::InvalidValue, Some(ContextValue::String(shown))) => {
            long(shown).map(|arg| (arg, bad_value(arg, error))).into_iter().collect()
        }
        // clap does not say whose value it is.
        (ErrorKind::InvalidUtf8, _) => settings()
            .filter(|arg| arg.get_env().and_then(std::env::var_os).is_some_and(|value| value.to_str().is_none()))
            .map(|arg| (arg, format!("is no UTF-8 text. {}", meaning(arg))))
            .collect(),
        _ => Vec::new(),
    }
}

fn bad_value(arg: &Arg, error: &clap::Error) -> String {
    let why = std::error::Error::source(error).map(ToString::to_string).unwrap_or_default();
    let given = match error.get(ContextKind::InvalidValue) {
        Some(ContextValue::String(value)) if !may_hold_a_secret(arg, value) => value.as_str(),
        _ => "",
    };
    match (given, why) {
        (_, why) if why.starts_with("is ") || why.starts_with("has ") => format!("{why}. {}", meaning(arg)),
        ("", _) => format!("is not possible. {}", meaning(arg)),
        (given, why) if why.is_empty() => format!("cannot be '{given}'. {}", meaning(arg)),
        (given, why) => format!("cannot be '{given}': {why}. {}", meaning(arg)),
    }
}

fn may_hold_a_secret(arg: &Arg, value: &str) -> bool {
    arg.is_hide_env_values_set() || (value.contains("://") && value.contains('@'))
}

/// What a setting is for, what may be written, and what it is by default.
fn meaning(arg: &Arg) -> String {
    let mut text = arg.get_help().map(ToString::to_string).unwrap_or_default();
    let possible: Vec<String> = arg.get_possible_values().iter().map(|value| value.get_name().to_owned()).collect();
    if !possible.is_empty() {
        let _ = write!(text, ": {}", possible.join(" or "));
    }
    if let Some(default) = arg.get_default_values().first().filter(|text| !text.is_empty()) {
        let _ = write!(text, "; by default {}", default.to_string_lossy());
    }
    text
}

/// Puts a stand-in in the place of what was given; the command line is heard before the environment.
fn replace(arguments: &mut Vec<OsString>, arg: &Arg) {
    let option = format!("--{}", arg.get_long().unwrap_or_default());
    let with_value = format!("{option}=");
    let mut is_value = false;
    arguments.retain(|word| {
        let word = word.to_string_lossy();
        let drop = is_value || word == option.as_str() || word.starts_with(&with_value);
        is_value = word == option.as_str();
        !drop
    });
    let stand_in = match (arg.get_default_values().first(), name(arg).as_str()) {
        (Some(default), _) => default.to_string_lossy().into_owned(),
        (None, "DATABASE_URL") => "postgres://localhost/stand-in".to_owned(),
        (None, "JWT_ISSUER") => "stand-in".to_owned(),
        (None, _) if !arg.get_possible_values().is_empty() => arg.get_possible_values()[0].get_name().to_owned(),
        (None, _) => String::new(),
    };
    arguments.push(format!("{with_value}{stand_in}").into());
}

/// What somebody mistook for an option, a command or a value may be `NAME=secret`, or an address with a password.
fn without_values(mut error: clap::Error) -> clap::Error {
    for kind in [ContextKind::InvalidArg, ContextKind::InvalidSubcommand, ContextKind::InvalidValue] {
        if let Some(ContextValue::String(word)) = error.get(kind)
            && !word.starts_with("--")
            && word.contains(['=', '@', ':'])
        {
            let name = word.split(['=', '@', ':']).next().unwrap_or_default();
            let shown = format!("{name}…");
            error.insert(kind, ContextValue::String(shown));
        }
    }
    error
}

/// Variables of the environment that are no settings and look like one of them, each with the one that may be meant.
#[must_use]
pub fn misspelt<C: Parser>(variables: impl Iterator<Item = OsString>) -> Vec<(String, String)> {
    let root = C::command();
    let arguments = root.get_subcommands().flat_map(Command::get_arguments);
    let known: BTreeSet<String> = arguments.map(name).filter(|name| !name.is_empty()).collect();
    let strange = variables.filter_map(|name| name.into_string().ok()).filter(|name| !known.contains(name));
    let meant = |given: &String| {
        let near = |known: &&String| {
            let without_unit =
                given.contains('_') && known.strip_prefix(given.as_str()).is_some_and(|rest| rest.starts_with('_'));
            known.len() >= 8 && (without_unit || is_near(given.as_bytes(), known.as_bytes()))
        };
        known.iter().find(near).cloned()
    };
    strange.filter_map(|given| meant(&given).map(|meant| (given, meant))).collect()
}

/// Whether at most two letters are wrong, missing or too many.
fn is_near(one: &[u8], other: &[u8]) -> bool {
    let mut above: Vec<usize> = (0..=other.len()).collect();
    for (row, letter) in one.iter().enumerate() {
        let mut diagonal = std::mem::replace(&mut above[0], row + 1);
        for (column, opposite) in other.iter().enumerate() {
            let changed = diagonal + usize::from(letter != opposite);
            diagonal = above[column + 1];
            above[column + 1] = changed.min(above[column] + 1).min(diagonal + 1);
        }
    }
    above.last().is_some_and(|distance| *distance <= 2)
}
