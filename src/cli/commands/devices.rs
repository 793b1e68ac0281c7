//! `tamis devices`: adapters, and which backend `auto` takes and why.
