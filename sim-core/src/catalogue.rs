//! What a system declares once: its catalogue of known bugs.

/// `catalogue! { Bugs; Variant, "name", "what is wrong", "the rule that catches it", "where it was published"; ... }`
/// makes the enum `Bugs`, with `None` for correct code, and `CATALOGUE`.
#[macro_export]
macro_rules! catalogue {
    ($bugs:ident; $($variant:ident, $name:literal, $about:literal, $violates:literal, $source:literal;)*) => {
        #[doc = concat!("A known bug; [`", stringify!($bugs), "::None`] is correct code.")]
        #[derive(
            Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema,
        )]
        #[serde(rename_all = "snake_case")]
        pub enum $bugs {
            /// No bug.
            #[default]
            None,
            $(#[doc = $about] #[serde(rename = $name)] $variant,)*
        }

        #[allow(dead_code, reason = "who names a bug in the code needs neither")]
        impl $bugs {
            /// All bugs, in the order of the catalogue.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// What `list bugs` shows.
            pub const CATALOGUE: &'static [$crate::Bug] = CATALOGUE;

            /// The name in scenario files.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    Self::None => "none",
                    $(Self::$variant => $name,)*
                }
            }
        }

        /// What `list bugs` shows.
        pub const CATALOGUE: &[$crate::Bug] = &[
            $($crate::Bug { name: $name, about: $about, violates: $violates, source: $source },)*
        ];
    };
}
