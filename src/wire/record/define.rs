//! The macro that turns a property table into a struct with its codec.

/// Defines a record: `field: Type = "property" or <default>;`, or `= "property";` where the
/// protocol gives no default.
macro_rules! record {
    ($($(#[$meta:meta])* pub struct $name:ident {
        $($(#[$fmeta:meta])* $field:ident: $ty:ty = $property:literal $(or $default:expr)?;)*
    })*) => {$(
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq)]
        pub struct $name {
            $($(#[$fmeta])* #[doc = concat!("Property `", $property, "`.")] pub $field: $ty,)*
        }

        impl Default for $name {
            fn default() -> Self {
                Self { $($field: $crate::wire::record::define::initial!($ty $(, $default)?),)* }
            }
        }

        impl $crate::wire::record::Property for $name {
            fn write(&self, out: &mut $crate::wire::msgpack::Writer) {
                out.map([$($property),*].len());
                $(
                    out.str($property);
                    $crate::wire::record::Property::write(&self.$field, out);
                )*
            }

            fn encoded_len(&self) -> usize {
                // Of the names and the map's header: known when this is compiled.
                const NAMES: usize = $crate::wire::msgpack::list_header_len([$($property),*].len())
                    $(+ $crate::wire::msgpack::str_len($property.len()))*;
                NAMES $(+ $crate::wire::record::Property::encoded_len(&self.$field))*
            }

            fn read(
                input: &mut $crate::wire::msgpack::Reader<'_>,
            ) -> Result<Self, $crate::wire::DecodeError> {
                $(let mut $field: Option<$ty> = None;)*
                let mut left = input.map()?;
                // Brokers write all properties in the declared order: one comparison for each.
                $(
                    if left > 0 && input.name_if($property) {
                        let value = <$ty as $crate::wire::record::Property>::read(input)
                            .map_err(|e| e.in_property($property))?;
                        $field = Some(value);
                        left -= 1;
                    }
                )*
                for _ in 0..left {
                    match input.str()? {
                        $($property => {
                            let value = <$ty as $crate::wire::record::Property>::read(input)
                                .map_err(|e| e.in_property($property))?;
                            $field = Some(value);
                        })*
                        _ => input.skip()?,
                    }
                }
                Ok(Self {
                    $($field: match $field {
                        Some(value) => value,
                        None => $crate::wire::record::define::absent!($property, $ty $(, $default)?),
                    },)*
                })
            }
        }

        impl $crate::wire::record::Record for $name {}
    )*};
}

macro_rules! initial {
    ($ty:ty) => {
        <$ty>::default()
    };
    ($ty:ty, $default:expr) => {
        $default
    };
}

macro_rules! absent {
    ($property:literal, $ty:ty) => {
        return Err($crate::wire::DecodeError::MissingProperty { property: $property })
    };
    ($property:literal, $ty:ty, $default:expr) => {
        $default
    };
}

pub(super) use {absent, initial, record};
