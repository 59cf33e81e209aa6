//! Every short history of a forked call: what two branches, the caller and the server can
//! send, in every order. A model that knows RFC 3261 and RFC 3264 and nothing of the
//! relay says who must receive whom, and that nobody else does.

use std::net::SocketAddr;

use super::phones::{World, at};

/// How many steps follow the initial offer, and how long each of them takes.
const LIVES: [(usize, u64); 2] = [(5, 0), (4, 3_000)];

const A: &str = "198.51.100.1:4000";
const TAGS: [&str; 2] = ["b", "c"];
const HOSTS: [&str; 2] = ["198.51.100.2", "198.51.100.3"];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// 180, without or with SDP.
    Rings(usize, bool),
    /// 200, without or with SDP.
    Answers(usize, bool),
    /// An offer of the caller in the dialog of a branch. It is refused unless
    /// [`Step::Agrees`] follows: a refusal is no message.
    CallerOffers(usize),
    BranchOffers(usize),
    /// The last offer in the dialog is answered.
    Agrees(usize),
    RemoveDialog(usize),
    RemoveUnanswered,
    /// The last message again.
    Repeats,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Nothing came from it.
    Unknown,
    Early,
    Confirmed,
    /// Another branch was confirmed first.
    Lost,
    Removed,
}

/// The media that caller and branch have agreed upon: the address of each, and the
/// relay's port that it sends to.
#[derive(Clone, Debug)]
struct Agreed {
    caller: (String, SocketAddr),
    branch: (String, SocketAddr),
    /// On the ports of the initial offer: the caller sends to the newest branch there.
    shared_since: Option<usize>,
}

#[derive(Clone, Debug)]
struct Offer {
    by_caller: bool,
    cseq: u32,
    address: String,
    /// Where the answerer sends.
    port: SocketAddr,
}

#[derive(Clone, Debug)]
struct Branch {
    state: State,
    agreed: Option<Agreed>,
    offer: Option<Offer>,
    cseq: u32,
    moved: usize,
}

#[derive(Clone, Debug)]
struct Sent {
    kind: &'static str,
    cseq: u32,
    tags: String,
    sdp: String,
    answer: Option<String>,
}

#[derive(Clone, Debug)]
struct Model {
    /// The port of the initial offer.
    shared: SocketAddr,
    branches: [Branch; 2],
    cseq: u32,
    moved: usize,
    time: usize,
    last: Sent,
    /// All relay ports that were given to the caller, with its address then.
    for_caller: Vec<(String, SocketAddr)>,
    /// Those that were given to the branches.
    for_branches: Vec<SocketAddr>,
    over: bool,
}

impl Branch {
    /// Where the caller is in this dialog.
    fn caller(&self) -> String {
        self.agreed.as_ref().map_or(A.to_string(), |agreed| agreed.caller.0.clone())
    }

    fn is_live(&self) -> bool {
        matches!(self.state, State::Early | State::Confirmed)
    }
}

impl Model {
    fn answered(&self) -> bool {
        self.branches.iter().any(|branch| branch.state == State::Confirmed)
    }

    fn send(
        &mut self,
        world: &mut World,
        (kind, cseq): (&'static str, u32),
        tags: String,
        sdp: &str,
    ) -> SocketAddr {
        let line = world.send(kind, cseq, &tags, sdp);
        self.last = Sent { kind, cseq, tags, sdp: sdp.into(), answer: Some(line.0.clone()) };
        line.first()
    }

    /// Makes a step; false when it makes no sense here.
    fn step(&mut self, world: &mut World, step: Step) -> bool {
        self.time += 1;
        match step {
            Step::Rings(n, with_sdp) | Step::Answers(n, with_sdp) => {
                let is_final = matches!(step, Step::Answers(..));
                let state = self.branches[n].state;
                // A 200 without SDP follows an answer in a 183.
                let may = with_sdp || !is_final || self.branches[n].agreed.is_some();
                may.then(|| self.reply(world, n, state, is_final, with_sdp)).is_some()
            }
            Step::CallerOffers(n) => {
                let branch = &self.branches[n];
                branch.is_live() && branch.agreed.is_some() && {
                    self.moved += 1;
                    self.cseq += 1;
                    let address = format!("198.51.100.1:{}", 4_000 + 10 * self.moved);
                    self.offer(world, n, true, self.cseq, address);
                    true
                }
            }
            Step::BranchOffers(n) => {
                let branch = &mut self.branches[n];
                let may = branch.is_live() && branch.agreed.is_some()
                    || matches!(branch.state, State::Lost | State::Removed);
                may && {
                    branch.moved += 1;
                    branch.cseq += 1;
                    let address = format!("{}:{}", HOSTS[n], 5_000 + 10 * branch.moved);
                    let cseq = branch.cseq;
                    self.offer(world, n, false, cseq, address);
                    true
                }
            }
            Step::Agrees(n) => match self.branches[n].offer.take() {
                Some(offer) => {
                    self.agree(world, n, offer);
                    true
                }
                None => false,
            },
            Step::RemoveDialog(n) => {
                let known = self.branches[n].is_live();
                let line = world.remove(&format!("a>{}", TAGS[n]), "scope: dialog\r\n");
                assert_eq!(line.0, if known { "removed" } else { "error" });
                self.last.answer = None;
                let confirmed = self.branches[n].state == State::Confirmed;
                if known {
                    self.branches[n].end(State::Removed);
                    self.over = confirmed && !self.answered();
                }
                true
            }
            Step::RemoveUnanswered => {
                let answered = self.answered();
                let line = world.remove("a>", "scope: unanswered\r\n");
                assert_eq!(line.0, if answered { "error" } else { "removed" });
                self.over = !answered;
                true
            }
            Step::Repeats => {
                let Sent { kind, cseq, tags, sdp, answer } = self.last.clone();
                let line = world.send(kind, cseq, &tags, &sdp);
                assert_eq!(answer.unwrap_or_else(|| line.0.clone()), line.0);
                true
            }
        }
    }

    fn reply(&mut self, world: &mut World, n: usize, state: State, is_final: bool, with_sdp: bool) {
        let own = format!("{}:5000", HOSTS[n]);
        let tags = format!("a>{}{}", if is_final { "" } else { "?" }, TAGS[n]);
        let sdp = if with_sdp { own.as_str() } else { "" };
        let port = self.send(world, ("reply", 1), tags, sdp);
        let late = !is_final && self.answered() || state == State::Removed;
        if late {
            return;
        }
        if with_sdp && self.branches[n].agreed.is_none() {
            self.for_caller.push((A.into(), port));
            self.branches[n].agreed = Some(Agreed {
                caller: (A.into(), port),
                branch: (own, self.shared),
                shared_since: Some(self.time),
            });
        }
        if !is_final {
            self.branches[n].state = State::Early;
            return;
        }
        self.branches[n].state = State::Confirmed;
        let other = &mut self.branches[1 - n];
        if other.state == State::Early {
            other.end(State::Lost);
        }
    }

    fn offer(&mut self, world: &mut World, n: usize, by_caller: bool, cseq: u32, address: String) {
        let tag = TAGS[n];
        let tags = if by_caller { format!("a>{tag}") } else { format!("{tag}>a") };
        let port = self.send(world, ("request", cseq), tags, &address);
        if self.branches[n].is_live() {
            match by_caller {
                true => self.for_branches.push(port),
                false => self.for_caller.push((self.branches[n].caller(), port)),
            }
            self.branches[n].offer = Some(Offer { by_caller, cseq, address, port });
        }
    }

    fn agree(&mut self, world: &mut World, n: usize, offer: Offer) {
        let Offer { by_caller, cseq, address, port: for_answerer } = offer;
        let agreed = self.branches[n].agreed.clone().unwrap();
        let answerer = if by_caller { agreed.branch.0 } else { agreed.caller.0 };
        let tag = TAGS[n];
        let tags = if by_caller { format!("a>{tag}") } else { format!("{tag}>a") };
        let for_offerer = self.send(world, ("reply", cseq), tags, &answerer);
        match by_caller {
            true => self.for_caller.push((address.clone(), for_offerer)),
            false => self.for_branches.push(for_offerer),
        }
        let (offerer, answerer) = ((address, for_offerer), (answerer, for_answerer));
        let (caller, branch) = if by_caller { (offerer, answerer) } else { (answerer, offerer) };
        self.branches[n].agreed = Some(Agreed { caller, branch, shared_since: None });
    }

    /// Whether everybody receives what the model says, and nobody else.
    fn check(&self, world: &mut World) {
        let shared = self.branches.iter().filter_map(|branch| branch.agreed.as_ref()?.shared_since);
        let newest = shared.max();
        for (n, branch) in self.branches.iter().enumerate() {
            if let Some(agreed) = branch.agreed.as_ref().filter(|_| !self.over) {
                let (caller, to_branch) = &agreed.caller;
                let (own, to_caller) = &agreed.branch;
                assert_eq!(
                    world.packet(at(own), *to_caller),
                    Some(at(caller)),
                    "received from {n}"
                );
                if agreed.shared_since.is_none() || agreed.shared_since == newest {
                    assert_eq!(world.packet(at(caller), *to_branch), Some(at(own)), "to {n}");
                }
                continue;
            }
            let gone = at(&format!("{}:5000", HOSTS[n]));
            for port in &self.for_branches {
                assert_eq!(world.packet(gone, *port), None, "from {n}, which is in no dialog");
            }
            for (caller, port) in &self.for_caller {
                let arrived = world.packet(at(caller), *port);
                let forbidden = arrived.filter(|to| self.over || to.ip() == gone.ip());
                assert_eq!(forbidden, None, "to {n}, which is in no dialog");
            }
        }
    }
}

impl Branch {
    fn end(&mut self, state: State) {
        self.state = state;
        self.agreed = None;
        self.offer = None;
    }
}

fn all_steps() -> Vec<Step> {
    let of = |n| {
        [
            Step::Rings(n, false),
            Step::Rings(n, true),
            Step::Answers(n, false),
            Step::Answers(n, true),
            Step::CallerOffers(n),
            Step::BranchOffers(n),
            Step::Agrees(n),
            Step::RemoveDialog(n),
        ]
    };
    let mut steps: Vec<Step> = of(0).into_iter().chain(of(1)).collect();
    steps.extend([Step::RemoveUnanswered, Step::Repeats]);
    steps
}

struct Search {
    steps: Vec<Step>,
    script: Vec<Step>,
    pause: u64,
    count: u64,
}

impl Search {
    fn go_on(&mut self, world: &World, model: &Model, left: usize) {
        if left == 0 || model.over {
            self.end(world.clone(), model);
            return;
        }
        for index in 0..self.steps.len() {
            let step = self.steps[index];
            // The branches are alike: the first one that speaks is the first one.
            let untouched = model.branches.iter().all(|branch| branch.state == State::Unknown);
            let second =
                matches!(step, Step::Rings(1, _) | Step::Answers(1, _) | Step::RemoveDialog(1));
            if untouched && second {
                continue;
            }
            let (mut world, mut model) = (world.clone(), model.clone());
            self.script.push(step);
            if model.step(&mut world, step) {
                model.check(&mut world);
                world.wait(self.pause);
                self.go_on(&world, &model, left - 1);
            }
            self.script.pop();
        }
    }

    fn end(&mut self, mut world: World, model: &Model) {
        self.count += 1;
        if model.over {
            assert_eq!(world.proxy.open_streams(), 0);
            return;
        }
        // What was replaced or given up is closed then.
        world.wait(32_000);
        model.check(&mut world);
        // For each dialog the agreed stream and two that cross, and the initial one.
        assert!(world.proxy.open_streams() <= 2 * 3 + 1);
        world.wait(7_200_000);
        assert_eq!(world.proxy.open_streams(), 0);
    }
}

impl Drop for Search {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("the steps, {} ms each: {:?}", self.pause, self.script);
        }
    }
}

#[test]
fn every_short_forked_call_has_the_media_that_was_agreed() {
    let mut world = World::new();
    let shared = world.send("request", 1, "a>", A).first();
    let branch = Branch { state: State::Unknown, agreed: None, offer: None, cseq: 100, moved: 0 };
    let line = Some(format!("{} {}", shared.ip(), shared.port()));
    let (tags, sdp) = ("a>".into(), A.into());
    let model = Model {
        shared,
        branches: [branch.clone(), branch],
        cseq: 10,
        moved: 0,
        time: 0,
        last: Sent { kind: "request", cseq: 1, tags, sdp, answer: line },
        for_caller: Vec::new(),
        for_branches: vec![shared],
        over: false,
    };
    for (length, pause) in LIVES {
        let mut search = Search { steps: all_steps(), script: Vec::new(), pause, count: 0 };
        search.go_on(&world, &model, length);
        println!("{} calls", search.count);
        assert!(search.count > 5_000);
    }
}
