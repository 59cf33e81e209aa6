//! MediaProxy 2 and later: the text protocol of AG Projects' media-dispatcher
//! and of our own proxy.
