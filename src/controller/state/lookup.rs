//! How a cached object is found in a store of kube: by the kind that it stands for, its namespace and its name.

/// Implements `Lookup` for a cached object with a field `name`. The closure returns its namespace, if its kind has any.
macro_rules! impl_lookup {
    ($cached:ty, $kind:ty, |$this:ident| $namespace:expr) => {
        impl ::kube::runtime::reflector::Lookup for $cached {
            type DynamicType = ();

            fn kind((): &()) -> ::std::borrow::Cow<'_, str> {
                <$kind as ::kube::Resource>::kind(&())
            }

            fn group((): &()) -> ::std::borrow::Cow<'_, str> {
                <$kind as ::kube::Resource>::group(&())
            }

            fn version((): &()) -> ::std::borrow::Cow<'_, str> {
                <$kind as ::kube::Resource>::version(&())
            }

            fn plural((): &()) -> ::std::borrow::Cow<'_, str> {
                <$kind as ::kube::Resource>::plural(&())
            }

            fn name(&self) -> Option<::std::borrow::Cow<'_, str>> {
                Some(::std::borrow::Cow::Borrowed(&self.name))
            }

            fn namespace(&self) -> Option<::std::borrow::Cow<'_, str>> {
                let $this = self;
                $namespace.map(::std::borrow::Cow::Borrowed)
            }

            fn resource_version(&self) -> Option<::std::borrow::Cow<'_, str>> {
                None
            }

            fn uid(&self) -> Option<::std::borrow::Cow<'_, str>> {
                None
            }
        }
    };
}

pub(super) use impl_lookup;
