//! An option of clap: its kind, and its names.

use clap::{Arg, ArgAction};

pub const PREFIX: &str = "KAMONLINE_";
/// It asks for a text, and is no setting.
const NO_SETTING: &str = "generate";

pub fn is_setting(option: &Arg) -> bool {
    long(option) != NO_SETTING
}

pub fn is_flag(option: &Arg) -> bool {
    matches!(option.get_action(), ArgAction::SetTrue)
}

pub fn is_list(option: &Arg) -> bool {
    matches!(option.get_action(), ArgAction::Append)
}

pub fn long(option: &Arg) -> &str {
    option.get_long().expect("every option has a long name")
}

/// `KAMONLINE_MAX_REMOVAL`
pub fn variable(option: &Arg) -> String {
    format!("{PREFIX}{}", long(option).to_uppercase().replace('-', "_"))
}
