//! One block of memory for all processes of a server.
