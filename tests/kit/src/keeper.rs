//! A keeper beside a test.

use std::sync::Arc;
use std::thread::{self, JoinHandle};

use mediaproxy::{Engine, Keeper};

/// A keeper on a thread of its own; ended with this value.
#[derive(Debug)]
pub struct Running {
    keeper: Arc<Keeper>,
    thread: Option<JoinHandle<()>>,
}

impl Running {
    pub fn start(engine: &Arc<Engine>) -> Running {
        let keeper = Arc::new(Keeper::new(engine.clone()).expect("a keeper"));
        let here = keeper.clone();
        let thread = thread::spawn(move || here.run().expect("the keeper runs"));
        Running { keeper, thread: Some(thread) }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.keeper.stop();
        if let Some(thread) = self.thread.take() {
            // A panic there was printed.
            let _ = thread.join();
        }
    }
}
