//! Starts the brokers, shows how they are, does to them what a person asks for, and stops them.

use std::process::ExitCode;
use std::time::Duration;

use holdfast_runtime::{Class, Tasks};
use rustix::process::Signal;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::control::{self, Ask, BrokerStatus, Command, Reply};
use super::cuts::Cuts;
use super::layout::{Layout, zone};
use super::prepare::Prepared;
use super::process::Process;
use super::readiness;
use super::relay::{Relay, Route};
use super::screen::Screen;
use crate::output;

/// How long brokers may take to stop: a little more than their own limit.
const STOPPING: Duration = Duration::from_secs(40);

/// After this it is told what brokers wait for that do not serve yet.
const IMPATIENCE: Duration = Duration::from_secs(10);

/// Events on their way; each broker has two tasks that send one at a time.
const EVENTS: usize = 64;

/// What happens to a broker. The run tells a process from the one before it.
#[derive(Debug)]
pub(super) enum Event {
    /// The process ended.
    Ended { broker: u16, run: u64, how: String },
    /// The process says whether it serves.
    Ready {
        broker: u16,
        run: u64,
        ready: Result<(), String>,
    },
}

/// What a broker's process does.
#[derive(Clone, Debug, PartialEq, Eq)]
enum State {
    /// Runs and does not serve yet, or not now, with its own reason.
    Waiting(String),
    /// Serves.
    Serving,
    /// Was stopped for a while by a person.
    Paused,
    /// Was told to end: by a person, or because everything stops.
    Ending,
    /// Ended because it was told to.
    Down,
    /// Ended by itself.
    Crashed(String),
}

impl State {
    fn text(&self) -> String {
        match self {
            Self::Waiting(reason) => format!("not serving: {reason}"),
            Self::Serving => "serving".to_owned(),
            Self::Paused => "paused".to_owned(),
            Self::Ending => "ending".to_owned(),
            Self::Down => "down".to_owned(),
            Self::Crashed(how) => format!("crashed: {how}"),
        }
    }
}

/// One broker and what belongs to its process.
#[derive(Debug)]
struct Broker {
    number: u16,
    state: State,
    run: u64,
    process: Option<Process>,
    relay: Option<Relay>,
    watch: CancellationToken,
    /// Whether it is to be started once its process has ended.
    start_again: bool,
}

#[derive(Debug)]
struct Supervisor {
    layout: Layout,
    brokers: Vec<Broker>,
    cuts: Cuts,
    tasks: Tasks,
    events: mpsc::Sender<Event>,
    screen: Screen,
    welcomed: bool,
}

/// Runs the cluster until a signal stops it.
pub(super) async fn run(prepared: Prepared, tasks: Tasks) -> anyhow::Result<ExitCode> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hangup = signal(SignalKind::hangup())?;
    let mut commands = control::listen(&prepared.layout.socket(), &tasks)?;
    let (sender, mut events) = mpsc::channel(EVENTS);
    let admitting = prepared.waiting.clone().admit(prepared.layout.clone());
    let mut supervisor = Supervisor::new(&prepared, tasks.clone(), sender);
    supervisor.start_all().await?;
    tasks.spawn("admissions", Class::Job, admitting);
    let mut impatience = tokio::time::interval(IMPATIENCE);
    impatience.reset();
    // None of these branches loses anything when another one is taken.
    loop {
        tokio::select! {
            biased;
            _ = interrupt.recv() => break,
            _ = terminate.recv() => break,
            _ = hangup.recv() => break,
            Some(event) = events.recv() => {
                supervisor.happened(event);
                if supervisor.all_crashed() {
                    anyhow::bail!("no broker runs any more");
                }
            }
            Some(ask) = commands.recv() => supervisor.answer(ask).await,
            _ = impatience.tick() => supervisor.tell_who_waits(),
        }
    }
    let again = async {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    };
    let orderly = supervisor.stop_all(&mut events, again).await;
    // The lock on the directory is held to this end.
    drop(prepared);
    Ok(if orderly {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(130)
    })
}

impl Supervisor {
    fn new(prepared: &Prepared, tasks: Tasks, events: mpsc::Sender<Event>) -> Self {
        let broker = |number| Broker {
            number,
            state: State::Down,
            run: 0,
            process: None,
            relay: None,
            watch: CancellationToken::new(),
            start_again: false,
        };
        Self {
            layout: prepared.layout.clone(),
            brokers: (0..prepared.brokers).map(broker).collect(),
            cuts: Cuts::new(),
            tasks,
            events,
            screen: Screen::new(),
            welcomed: false,
        }
    }

    async fn start_all(&mut self) -> anyhow::Result<()> {
        let count = self.brokers.len();
        output::note(&format!(
            "starting {count} brokers in {}",
            self.layout.dir().display()
        ));
        for number in 0..self.brokers.len() {
            if let Err(error) = self.start(number) {
                self.end_all(Signal::KILL).await;
                anyhow::bail!("cannot start broker {number}: {error}");
            }
        }
        Ok(())
    }

    /// Starts a broker's process. The relay opens first: a peer that finds it closed takes the
    /// broker for dead.
    fn start(&mut self, index: usize) -> std::io::Result<()> {
        let broker = &mut self.brokers[index];
        let addresses = self.layout.addresses(broker.number);
        let route = Route {
            broker: broker.number,
            listen: addresses.relay,
            target: addresses.rpc,
        };
        broker.run += 1;
        let relay = Relay::open(route, &self.cuts, &self.tasks)?;
        let process = Process::start(
            &self.layout,
            broker.number,
            broker.run,
            &self.events,
            &self.tasks,
        )?;
        let pid = process.pid;
        broker.relay = Some(relay);
        broker.process = Some(process);
        broker.state = State::Waiting("starting".to_owned());
        broker.run_readiness(&self.layout, &self.events, &self.tasks);
        self.screen
            .broker(broker.number, &format!("started, process {pid}"));
        Ok(())
    }

    fn happened(&mut self, event: Event) {
        match event {
            Event::Ended { broker, run, how } => self.ended(broker, run, &how),
            Event::Ready { broker, run, ready } => self.answered(broker, run, ready),
        }
        let waits = |b: &Broker| matches!(b.state, State::Waiting(_));
        let serves = |b: &Broker| b.state == State::Serving;
        if !self.welcomed && !self.brokers.iter().any(waits) && self.brokers.iter().any(serves) {
            self.welcomed = true;
            self.screen.welcome(&self.layout, self.brokers.len() as u16);
        }
    }

    fn ended(&mut self, number: u16, run: u64, how: &str) {
        let broker = &mut self.brokers[usize::from(number)];
        if broker.run != run {
            return;
        }
        broker.watch.cancel();
        broker.process = None;
        broker.relay = None;
        if broker.state == State::Ending {
            broker.state = State::Down;
            self.screen.broker(number, &format!("is down ({how})"));
            if std::mem::take(&mut broker.start_again)
                && let Err(error) = self.start(usize::from(number))
            {
                self.screen
                    .bad(number, &format!("cannot be started: {error}"));
            }
            return;
        }
        broker.state = State::Crashed(how.to_owned());
        let options = self.layout.options();
        self.screen.bad(
            number,
            &format!("ended by itself ({how}); `holdfast dev{options} revive {number}` starts it"),
        );
        let log = self.layout.log_file(number);
        output::note(&format!("    the end of {}:", log.display()));
        self.screen.tail(&log);
    }

    fn answered(&mut self, number: u16, run: u64, ready: Result<(), String>) {
        let broker = &mut self.brokers[usize::from(number)];
        if broker.run != run || !matches!(broker.state, State::Waiting(_) | State::Serving) {
            return;
        }
        match ready {
            Ok(()) => {
                broker.state = State::Serving;
                let address = self.layout.addresses(number).clients;
                self.screen.good(number, &format!("serves at {address}"));
            }
            Err(reason) => {
                if broker.state == State::Serving {
                    self.screen
                        .bad(number, &format!("does not serve now: {reason}"));
                }
                broker.state = State::Waiting(reason);
            }
        }
    }

    fn all_crashed(&self) -> bool {
        self.brokers
            .iter()
            .all(|b| matches!(b.state, State::Crashed(_)))
    }

    fn tell_who_waits(&self) {
        for broker in &self.brokers {
            if let State::Waiting(reason) = &broker.state {
                self.screen
                    .broker(broker.number, &format!("does not serve yet: {reason}"));
            }
        }
    }

    async fn answer(&mut self, ask: Ask) {
        let result = self.obey(ask.command).await;
        if let (Ok(done), false) = (&result, ask.command == Command::Status) {
            output::note(done);
        }
        let status = self.brokers.iter().map(|b| self.status(b)).collect();
        if ask.answer.send(Reply::new(result, status)).is_err() {
            tracing::debug!("who asked has gone");
        }
    }

    fn status(&self, broker: &Broker) -> BrokerStatus {
        BrokerStatus {
            broker: broker.number,
            zone: zone(broker.number).to_owned(),
            state: broker.state.text(),
            cut_off: self.cuts.is_cut(broker.number),
            clients: self.layout.addresses(broker.number).clients.to_string(),
            pid: broker.process.as_ref().map(|process| process.pid),
            log: self.layout.log_file(broker.number).display().to_string(),
        }
    }

    async fn obey(&mut self, command: Command) -> Result<String, String> {
        let number = match command {
            Command::Status => return Ok(format!("{} brokers", self.brokers.len())),
            Command::Kill { broker }
            | Command::Pause { broker }
            | Command::CutOff { broker }
            | Command::Revive { broker } => broker,
        };
        let index = usize::from(number);
        let Some(broker) = self.brokers.get_mut(index) else {
            let last = self.brokers.len() - 1;
            return Err(format!(
                "there is no broker {number}: they are numbered 0 to {last}"
            ));
        };
        match command {
            Command::Status => Ok(String::new()),
            Command::Kill { .. } => {
                broker.signal(Signal::KILL, State::Ending).await?;
                Ok(format!("broker {number}: killed"))
            }
            Command::Pause { .. } => {
                broker.signal(Signal::STOP, State::Paused).await?;
                Ok(format!("broker {number}: paused"))
            }
            Command::CutOff { .. } => {
                self.cuts.cut(number);
                Ok(format!(
                    "broker {number}: cut off from its peers; clients reach it still"
                ))
            }
            Command::Revive { .. } => self.revive(index).await,
        }
    }

    async fn revive(&mut self, index: usize) -> Result<String, String> {
        let broker = &mut self.brokers[index];
        let number = broker.number;
        let mut done = Vec::new();
        if self.cuts.heal(number) {
            done.push("connected to its peers");
        }
        match broker.state {
            State::Paused => {
                let going = State::Waiting("it goes on after a pause".to_owned());
                broker.signal(Signal::CONT, going).await?;
                // The watcher reports changes only: a new one says how it is now.
                broker.run_readiness(&self.layout, &self.events, &self.tasks);
                done.push("goes on");
            }
            State::Down | State::Crashed(_) => {
                self.start(index).map_err(|error| error.to_string())?;
                done.push("started");
            }
            State::Ending => {
                broker.start_again = true;
                done.push("starts once its process has ended");
            }
            State::Waiting(_) | State::Serving => {}
        }
        if done.is_empty() {
            return Err(format!("broker {number} needs no reviving: it runs"));
        }
        Ok(format!("broker {number}: {}", done.join(", ")))
    }

    async fn end_all(&mut self, signal: Signal) {
        for broker in &mut self.brokers {
            let paused = broker.state == State::Paused;
            // One that has just ended by itself needs no signal.
            let _gone = broker.signal(signal, State::Ending).await;
            if let (true, Some(process)) = (paused, &broker.process) {
                // The signal before waits in a process that is paused.
                let _gone = process.signal(Signal::CONT).await;
            }
        }
    }

    /// Stops every broker in order; a second signal or too much time ends them at once. Returns
    /// whether all of them stopped in order.
    async fn stop_all(
        &mut self,
        events: &mut mpsc::Receiver<Event>,
        again: impl Future<Output = ()>,
    ) -> bool {
        output::note("stopping the brokers; Ctrl-C again ends them at once");
        for broker in &mut self.brokers {
            broker.start_again = false;
            self.cuts.heal(broker.number);
        }
        self.end_all(Signal::TERM).await;
        let late = async {
            tokio::select! {
                () = again => "asked to end at once",
                () = tokio::time::sleep(STOPPING) => "they take too long",
            }
        };
        let reason = tokio::select! {
            biased;
            () = self.until_down(events) => None,
            reason = late => Some(reason),
        };
        if let Some(reason) = reason {
            output::note(&format!("{reason}: killing the brokers that are left"));
            self.end_all(Signal::KILL).await;
            self.until_down(events).await;
        }
        output::note("stopped; the data stays");
        reason.is_none()
    }

    async fn until_down(&mut self, events: &mut mpsc::Receiver<Event>) {
        while self.brokers.iter().any(|broker| broker.process.is_some()) {
            match events.recv().await {
                Some(Event::Ended { broker, run, how }) => self.ended(broker, run, &how),
                Some(Event::Ready { .. }) => {}
                None => return,
            }
        }
    }
}

impl Broker {
    /// Sends a signal to the process, which then is in that state.
    async fn signal(&mut self, signal: Signal, then: State) -> Result<(), String> {
        let Some(process) = &self.process else {
            return Err(format!("broker {} has no process", self.number));
        };
        let failed = |error| format!("broker {}: {error}", self.number);
        process.signal(signal).await.map_err(failed)?;
        self.state = then;
        Ok(())
    }

    fn run_readiness(&mut self, layout: &Layout, events: &mpsc::Sender<Event>, tasks: &Tasks) {
        self.watch.cancel();
        self.watch = CancellationToken::new();
        let admin = layout.addresses(self.number).admin;
        let watching = readiness::watch(
            self.number,
            self.run,
            admin,
            events.clone(),
            self.watch.clone(),
        );
        tasks.spawn(format!("readiness-{}", self.number), Class::Job, watching);
    }
}
