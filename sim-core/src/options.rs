//! The `[system]` options of a system, declared once: what may be written, its default, what makes no sense and what
//! would be right, and the configuration that is made of it.

use crate::{Bug, Invalid, Shape};
use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// What may be written in `[system]`: [`options!`](crate::options) declares it. Every option has a default; unknown
/// keys are rejected.
pub trait Options: DeserializeOwned + Serialize + JsonSchema + Default + Clone {
    /// The known bugs that the option `bug` can switch on, if there is one.
    const BUGS: &'static [Bug] = &[];
    /// The configuration that is made of them.
    type Config;

    /// The configuration for a cluster of this shape.
    ///
    /// # Errors
    /// Every option that makes no sense, alone or with another.
    fn configure(&self, shape: &Shape) -> Result<Self::Config, Vec<Invalid>>;
}

/// Declares options of which one of several words is chosen: enumerations that files write in snake case, or as the
/// line says.
///
/// ```
/// use serde::Deserialize as _;
/// use serde::de::{IntoDeserializer, value::Error};
///
/// sim_core::choices! {
///     /// Who answers reads.
///     pub enum Reads {
///         /// A quorum.
///         #[default]
///         Quorum,
///         /// One node, by its own clock.
///         OneNode = "lease",
///     }
/// }
///
/// let read = |word: &str| Reads::deserialize(IntoDeserializer::<Error>::into_deserializer(word));
/// assert_eq!((read("quorum"), read("lease")), (Ok(Reads::Quorum), Ok(Reads::OneNode)));
/// ```
#[macro_export]
macro_rules! choices {
    ($(
        $(#[$meta:meta])* $vis:vis enum $name:ident {
            $($(#[$about:meta])* $variant:ident $(= $text:literal)?),+ $(,)?
        }
    )+) => {$(
        $(#[$meta])*
        #[derive(
            Clone, Copy, Debug, Default, PartialEq, Eq, Hash,
            serde::Serialize, serde::Deserialize, schemars::JsonSchema,
        )]
        #[serde(rename_all = "snake_case")]
        $vis enum $name {
            $($(#[$about])* $(#[serde(rename = $text)])? $variant,)+
        }
    )+};
}

/// Declares options, and the configuration that is made of them for a cluster.
///
/// ```
/// use sim_core::units::DurationText;
/// use sim_core::{Duration, Shape};
///
/// sim_core::options! {
///     /// The options of `system = "counter"`.
///     pub struct CounterOptions;
///
///     /// What all nodes share.
///     #[derive(Clone, Copy, Debug, PartialEq, Eq)]
///     pub struct Config of shape {
///         /// How many nodes there are.
///         pub nodes: u32 = shape.nodes() as u32,
///             wrong if nodes > 9 => ("{nodes} nodes"), "at most 9";
///     }
///
///     options {
///         /// How often everybody is told.
///         every as period: DurationText = DurationText(Duration::millis(50)),
///             wrong if every.0 == Duration::ZERO => ("telling without pause"), "for example \"50ms\"";
///         /// How many may be wrong at a time.
///         slack: u32 = 1, wrong if *slack >= nodes => ("{slack} of {nodes} nodes"), "fewer than nodes";
///     }
/// }
///
/// let config = CounterOptions::default().validate(&Shape::plain(3)).unwrap();
/// assert_eq!((config.nodes, config.period, config.slack), (3, Duration::millis(50), 1));
/// let wrong = CounterOptions { slack: 3, ..CounterOptions::default() }.validate(&Shape::plain(3)).unwrap_err();
/// assert_eq!((wrong[0].key, wrong[0].what.as_str()), ("slack", "3 of 3 nodes"));
/// ```
///
/// The first list is what a configuration has beside its options, made of the cluster's [`Shape`](crate::Shape) and of
/// options; the second the options, each with the fields of the configuration that come of it, or none named for one
/// field of the same name and type; a `DurationText` becomes a `Duration`, under another name with `option as field`.
/// An option `bug`, of a type that [`catalogue!`](crate::catalogue) has made, gives the system its known bugs, and the
/// configuration `has(bug)`. Everything of the first list is at hand by its name, options as references. `wrong if` is
/// asked in this order, and all that is wrong is said at once, under the key it stands with; `also expression;` at the
/// end adds what must be looked for by hand, as a `Vec` of [`Invalid`](crate::Invalid). With `of shape as config` the
/// configuration itself is at hand there, too, however little sense it makes. The crate needs `serde` and `schemars`.
///
/// `options! { struct Options { /// About it. name: Type = default, ... } }` makes options and their defaults alone.
#[macro_export]
macro_rules! options {
    (
        $(#[$of_options:meta])* $options_vis:vis struct $options:ident;
        $(#[$of_config:meta])* $config_vis:vis struct $config:ident of $shape:ident $(as $built:ident)? {$(
            $(#[doc = $about:literal])* $vis:vis $fixed:ident: $type:ty = $value:expr
            $(, wrong if $wrong:expr => ($($what:tt)+), $help:expr)*;
        )*}
        options { $($list:tt)* }
        $(also $also:expr;)?
    ) => {
        $crate::options! {
            @list { $($list)* }
            { $(#[$of_options])* $options_vis $options }
            { $(#[$of_config])* $config_vis $config $shape $($built)? }
            { $({ $($about)* } $vis $fixed $type, $value;)* }
            {} {}
            { $($({ $fixed } $wrong, ($($what)+), $help;)*)* }
            { $($also)? }
            {}
        }
    };

    // Options alone: whoever takes them makes the configuration by hand.
    (
        $(#[$meta:meta])* $visible:vis struct $name:ident {$(
            $(#[$about:meta])* $field_visible:vis $field:ident: $type:ty = $default:expr
        ),* $(,)?}
    ) => {
        $(#[$meta])*
        #[derive(Clone, Debug, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
        #[serde(default, deny_unknown_fields)]
        $visible struct $name {
            $($(#[$about])* $field_visible $field: $type,)*
        }

        impl Default for $name {
            fn default() -> Self {
                Self { $($field: $default,)* }
            }
        }

        impl $crate::Options for $name {
            type Config = Self;

            fn configure(&self, _: &$crate::Shape) -> Result<Self, Vec<$crate::Invalid>> {
                Ok(self.clone())
            }
        }
    };

    // The bug to switch on: the configuration can be asked for it.
    (
        @list { $(#[doc = $about:literal])+ bug: $type:ty = $default:expr; $($list:tt)* }
        $head:tt $config:tt $fixed:tt $options:tt $fields:tt $checks:tt $also:tt {}
    ) => {
        $crate::options! {
            @list { $(#[doc = $about])+ bug: $type = $default => { bug: $type = *bug }; $($list)* }
            $head $config $fixed $options $fields $checks $also { $type }
        }
    };

    // A time: the configuration has it as such, under the option's name or another. (Each line of the list is one step
    // of the macro, lest long lists run into its limit.)
    (
        @list {
            $(#[doc = $about:literal])+ $option:ident: DurationText = $default:expr
            $(, wrong if $wrong:expr => ($($what:tt)+), $help:expr)*;
            $($list:tt)*
        }
        $head:tt $config:tt $fixed:tt { $($options:tt)* } { $($fields:tt)* } { $($checks:tt)* } $also:tt $bug:tt
    ) => {
        $crate::options! {
            @list { $($list)* } $head $config $fixed
            { $($options)* { $($about)+ } $option DurationText, $default; }
            { $($fields)* $option $option $crate::Duration, $option.0; }
            { $($checks)* $({ $option } $wrong, ($($what)+), $help;)* }
            $also $bug
        }
    };
    (
        @list {
            $(#[doc = $about:literal])+ $option:ident as $field:ident: DurationText = $default:expr
            $(, wrong if $wrong:expr => ($($what:tt)+), $help:expr)*;
            $($list:tt)*
        }
        $head:tt $config:tt $fixed:tt { $($options:tt)* } { $($fields:tt)* } { $($checks:tt)* } $also:tt $bug:tt
    ) => {
        $crate::options! {
            @list { $($list)* } $head $config $fixed
            { $($options)* { $($about)+ } $option DurationText, $default; }
            { $($fields)* $option $field $crate::Duration, $option.0; }
            { $($checks)* $({ $option } $wrong, ($($what)+), $help;)* }
            $also $bug
        }
    };
    (
        @list {
            $(#[doc = $about:literal])+ $option:ident: Option<DurationText> = $default:expr
            $(, wrong if $wrong:expr => ($($what:tt)+), $help:expr)*;
            $($list:tt)*
        }
        $head:tt $config:tt $fixed:tt { $($options:tt)* } { $($fields:tt)* } { $($checks:tt)* } $also:tt $bug:tt
    ) => {
        $crate::options! {
            @list { $($list)* } $head $config $fixed
            { $($options)* { $($about)+ } $option Option<DurationText>, $default; }
            { $($fields)* $option $option Option<$crate::Duration>, $option.map(|time| time.0); }
            { $($checks)* $({ $option } $wrong, ($($what)+), $help;)* }
            $also $bug
        }
    };

    // One option after the other: what it is, which fields come of it, what is wrong with it.
    (
        @list {
            $(#[doc = $about:literal])+ $option:ident: $type:ty = $default:expr => {$(
                $field:ident: $field_type:ty = $meant:expr
            ),* $(,)?}
            $(, wrong if $wrong:expr => ($($what:tt)+), $help:expr)*;
            $($list:tt)*
        }
        $head:tt $config:tt $fixed:tt { $($options:tt)* } { $($fields:tt)* } { $($checks:tt)* } $also:tt $bug:tt
    ) => {
        $crate::options! {
            @list { $($list)* } $head $config $fixed
            { $($options)* { $($about)+ } $option $type, $default; }
            { $($fields)* $($option $field $field_type, $meant;)* }
            { $($checks)* $({ $option } $wrong, ($($what)+), $help;)* }
            $also $bug
        }
    };
    (
        @list {
            $(#[doc = $about:literal])+ $option:ident: $type:ty = $default:expr
            $(, wrong if $wrong:expr => ($($what:tt)+), $help:expr)*;
            $($list:tt)*
        }
        $head:tt $config:tt $fixed:tt $options:tt $fields:tt $checks:tt $also:tt $bug:tt
    ) => {
        $crate::options! {
            @list {
                $(#[doc = $about])+ $option: $type = $default => {
                    $option: $type = ::core::clone::Clone::clone($option)
                }
                $(, wrong if $wrong => ($($what)+), $help)*;
                $($list)*
            }
            $head $config $fixed $options $fields $checks $also $bug
        }
    };

    (
        @list {}
        { $(#[$of_options:meta])* $options_vis:vis $options:ident }
        { $(#[$of_config:meta])* $config_vis:vis $config:ident $shape:ident $($built:ident)? }
        { $({ $($fixed_about:literal)* } $fixed_vis:vis $fixed:ident $fixed_type:ty, $fixed_value:expr;)* }
        { $({ $($about:literal)* } $option:ident $type:ty, $default:expr;)* }
        { $($of:ident $field:ident $field_type:ty, $meant:expr;)* }
        { $({ $key:ident } $wrong:expr, ($($what:tt)+), $help:expr;)* }
        { $($also:expr)? }
        { $($bug:ty)? }
    ) => {
        $(#[$of_options])*
        #[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
        #[serde(deny_unknown_fields, default)]
        $options_vis struct $options {
            $($(#[doc = $about])* pub $option: $type,)*
        }

        impl Default for $options {
            fn default() -> Self {
                Self { $($option: $default),* }
            }
        }

        $(#[$of_config])*
        $config_vis struct $config {
            $($(#[doc = $fixed_about])* $fixed_vis $fixed: $fixed_type,)*
            $(#[doc = concat!("What the option `", stringify!($of), "` says.")] pub $field: $field_type,)*
        }

        #[allow(unused_variables, reason = "each line of the lists takes what it needs")]
        impl $options {
            /// The configuration for a cluster of this shape, whether or not it makes sense.
            #[must_use]
            $options_vis fn meant(&self, $shape: &$crate::Shape) -> $config {
                let Self { $($option),* } = self;
                $(let $fixed: $fixed_type = $fixed_value;)*
                $config { $($field: $meant,)* $($fixed),* }
            }

            /// The configuration for a cluster of this shape.
            ///
            /// # Errors
            /// Every option that makes no sense, alone or with another.
            $options_vis fn validate(&self, $shape: &$crate::Shape) -> Result<$config, Vec<$crate::Invalid>> {
                let invalid = self.problems($shape);
                if invalid.is_empty() { Ok(self.meant($shape)) } else { Err(invalid) }
            }

            fn problems(&self, $shape: &$crate::Shape) -> Vec<$crate::Invalid> {
                let Self { $($option),* } = self;
                $(let $fixed: $fixed_type = $fixed_value;)*
                $(let $built = self.meant($shape);)?
                let mut invalid = Vec::new();
                $(if $wrong {
                    let (what, help) = (format!($($what)+), $help.to_string());
                    invalid.push($crate::Invalid { key: stringify!($key), what, help });
                })*
                $(invalid.extend($also);)?
                invalid
            }
        }

        impl $crate::Options for $options {
            $(const BUGS: &'static [$crate::Bug] = <$bug>::CATALOGUE;)?
            type Config = $config;

            fn configure(&self, shape: &$crate::Shape) -> Result<$config, Vec<$crate::Invalid>> {
                self.validate(shape)
            }
        }

        $(impl $config {
            /// Whether this known bug is switched on.
            #[inline]
            #[must_use]
            $config_vis fn has(&self, bug: $bug) -> bool {
                self.bug == bug
            }
        })?
    };
}
