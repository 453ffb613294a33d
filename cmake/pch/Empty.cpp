// The one source of the targets that carry precompiled headers.
