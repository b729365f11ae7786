//! One thread's event loop: it polls the tasks of a load when their sockets or times are due.
//!
//! The main type is [`Reactor`]. Tasks never leave their thread, so nothing here is locked, counted atomically or allocated per
//! request: a task is woken by its number. A task that is woken for another reason looks again and goes back to waiting.

use std::cell::{Cell, RefCell};
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::future::Future;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::time::{Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime};

/// What a thread of the load does: one connection's requests, or the pace of a group of them.
pub type Task<'a> = Pin<Box<dyn Future<Output = ()> + 'a>>;

/// How often the loop looks at what the rest of the process wants (a stop, new keys), and at requests that take too long.
const TICK: Duration = Duration::from_millis(20);
/// Events taken from the kernel at once.
const BATCH: usize = 256;
/// The event of the loop's own timer.
const TIMER: u64 = u64::MAX;
/// The event that wakes every task of the thread.
const ALL: u64 = u64::MAX - 1;

/// One thread's event loop.
#[derive(Debug)]
pub struct Reactor {
    epoll: OwnedFd,
    timer: OwnedFd,
    armed: Cell<Option<Instant>>,
    current: Cell<usize>,
    timers: RefCell<BinaryHeap<Reverse<(Instant, usize)>>>,
    ready: RefCell<Vec<usize>>,
    /// When each task's request is given up.
    limits: RefCell<Vec<Option<Instant>>>,
}

impl Reactor {
    /// A loop without tasks.
    ///
    /// # Errors
    /// When the process has no file descriptor left.
    pub fn new() -> io::Result<Self> {
        let epoll = epoll::create(CreateFlags::CLOEXEC)?;
        let timer = timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC)?;
        epoll::add(&epoll, &timer, EventData::new_u64(TIMER), EventFlags::IN | EventFlags::ET)?;
        Ok(Self {
            epoll,
            timer,
            armed: Cell::new(None),
            current: Cell::new(0),
            timers: RefCell::default(),
            ready: RefCell::default(),
            limits: RefCell::default(),
        })
    }

    /// Wakes the calling task whenever something happens on the socket, until it is closed.
    ///
    /// # Errors
    /// When the kernel refuses to watch it.
    pub fn watch(&self, socket: impl AsFd) -> io::Result<()> {
        let events = EventFlags::IN | EventFlags::OUT | EventFlags::RDHUP | EventFlags::ET;
        Ok(epoll::add(&self.epoll, socket, EventData::new_u64(self.current.get() as u64), events)?)
    }

    /// Wakes every task whenever the event (an eventfd that other threads write to) is raised.
    ///
    /// # Errors
    /// When the kernel refuses to watch it.
    pub fn watch_for_all(&self, event: impl AsFd) -> io::Result<()> {
        Ok(epoll::add(&self.epoll, event, EventData::new_u64(ALL), EventFlags::IN | EventFlags::ET)?)
    }

    /// The number of the task that is being polled, to [`Reactor::wake`] it later.
    pub fn current(&self) -> usize {
        self.current.get()
    }

    /// Has a task polled soon.
    pub fn wake(&self, task: usize) {
        self.ready.borrow_mut().push(task);
    }

    /// Gives way until something happens that may concern the calling task.
    pub async fn park(&self) {
        let mut is_first = true;
        std::future::poll_fn(|_| if std::mem::take(&mut is_first) { Poll::Pending } else { Poll::Ready(()) }).await;
    }

    /// Waits until `at`; never returns earlier.
    pub async fn sleep_until(&self, at: Instant) {
        if Instant::now() >= at {
            return;
        }
        self.timers.borrow_mut().push(Reverse((at, self.current.get())));
        while Instant::now() < at {
            self.park().await;
        }
    }

    /// Sets or lifts the moment at which the calling task is woken to give up what it waits for.
    pub fn limit(&self, at: Option<Instant>) {
        let current = self.current.get();
        if let Some(limit) = self.limits.borrow_mut().get_mut(current) {
            *limit = at;
        }
    }

    /// Whether the calling task's limit has passed.
    pub fn is_overdue(&self) -> bool {
        self.limits.borrow().get(self.current.get()).copied().flatten().is_some_and(|limit| limit <= Instant::now())
    }

    /// Runs tasks until all have ended; `tick` is called about fifty times a second.
    ///
    /// # Errors
    /// When the kernel's event queue fails.
    pub fn run(&self, tasks: Vec<Task<'_>>, mut tick: impl FnMut(Instant)) -> io::Result<()> {
        let mut tasks: Vec<Option<Task<'_>>> = tasks.into_iter().map(Some).collect();
        *self.limits.borrow_mut() = vec![None; tasks.len()];
        let mut alive = tasks.len();
        for task in 0..tasks.len() {
            self.poll(&mut tasks, task, &mut alive);
        }
        let mut events: Vec<Event> = Vec::with_capacity(BATCH);
        let mut next_tick = Instant::now() + TICK;
        while alive > 0 {
            self.wait(&mut events, next_tick)?;
            for event in &events {
                match event.data.u64() {
                    TIMER => self.armed.set(None),
                    ALL => self.ready.borrow_mut().extend(0..tasks.len()),
                    task => self.poll(&mut tasks, task as usize, &mut alive),
                }
            }
            let now = Instant::now();
            while let Some(task) = self.due(now) {
                self.poll(&mut tasks, task, &mut alive);
            }
            if now >= next_tick {
                next_tick = now + TICK;
                tick(now);
                let overdue = |limit: &Option<Instant>| limit.is_some_and(|limit| limit <= now);
                let late: Vec<usize> = self.limits.borrow().iter().enumerate().filter(|(_, limit)| overdue(limit)).map(|(task, _)| task).collect();
                late.into_iter().for_each(|task| self.poll(&mut tasks, task, &mut alive));
            }
            let mut woken = std::mem::take(&mut *self.ready.borrow_mut());
            woken.drain(..).for_each(|task| self.poll(&mut tasks, task, &mut alive));
            self.keep(woken);
        }
        Ok(())
    }

    fn poll(&self, tasks: &mut [Option<Task<'_>>], number: usize, alive: &mut usize) {
        let Some(Some(task)) = tasks.get_mut(number) else { return };
        self.current.set(number);
        if task.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready() {
            tasks[number] = None;
            *alive -= 1;
        }
    }

    /// A task whose time has come.
    fn due(&self, now: Instant) -> Option<usize> {
        let mut timers = self.timers.borrow_mut();
        if timers.peek().is_none_or(|Reverse((at, _))| *at > now) {
            return None;
        }
        timers.pop().map(|Reverse((_, task))| task)
    }

    /// Keeps the list's memory, and what was woken meanwhile.
    fn keep(&self, mut emptied: Vec<usize>) {
        let mut ready = self.ready.borrow_mut();
        emptied.extend(ready.iter());
        *ready = emptied;
    }

    /// Waits for events, the next timer or the next tick.
    fn wait(&self, events: &mut Vec<Event>, next_tick: Instant) -> io::Result<()> {
        events.clear();
        let now = Instant::now();
        let is_busy = !self.ready.borrow().is_empty();
        let next = self.timers.borrow().peek().map(|Reverse((at, _))| *at);
        // The kernel's own wait is only good to a millisecond: what is due within the tick gets its timer.
        if let Some(at) = next.filter(|at| !is_busy && *at < next_tick && self.armed.get().is_none_or(|armed| *at < armed)) {
            let value = Timespec::try_from(at.saturating_duration_since(now).max(Duration::from_nanos(1))).unwrap_or_default();
            timerfd_settime(&self.timer, TimerfdTimerFlags::empty(), &Itimerspec { it_interval: Timespec::default(), it_value: value })?;
            self.armed.set(Some(at));
        }
        let until = if is_busy { Duration::ZERO } else { next_tick.saturating_duration_since(now) };
        // Whole milliseconds, upwards: a wait of none would spin until the tick.
        let millis = Duration::from_millis(until.as_nanos().div_ceil(1_000_000) as u64);
        match epoll::wait(&self.epoll, spare_capacity(events), Some(&Timespec::try_from(millis).unwrap_or_default())) {
            Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

/// Wakes the tasks that wait for something that another task of the same thread brings about.
#[derive(Debug, Default)]
pub struct Bell(RefCell<Vec<usize>>);

impl Bell {
    /// Has everybody look again who waits.
    pub fn ring(&self, reactor: &Reactor) {
        self.0.borrow_mut().drain(..).for_each(|task| reactor.wake(task));
    }
    /// Waits until `found` brings something, looking again at each ring.
    pub async fn wait<T>(&self, reactor: &Reactor, mut found: impl FnMut() -> Option<T>) -> T {
        loop {
            if let Some(found) = found() {
                return found;
            }
            self.0.borrow_mut().push(reactor.current());
            reactor.park().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tasks_sleep_at_least_as_long_as_they_ask_for_and_not_much_longer() {
        let reactor = Reactor::new().unwrap();
        let lateness = RefCell::new(Vec::new());
        let sleep = |micros: u64| {
            let (reactor, lateness) = (&reactor, &lateness);
            Box::pin(async move {
                for _ in 0..20 {
                    let due = Instant::now() + Duration::from_micros(micros);
                    reactor.sleep_until(due).await;
                    assert!(Instant::now() >= due);
                    lateness.borrow_mut().push(due.elapsed());
                }
            }) as Task<'_>
        };
        reactor.run(vec![sleep(300), sleep(1_000), sleep(2_500)], |_| {}).unwrap();
        let mut lateness = lateness.into_inner();
        lateness.sort();
        assert_eq!(lateness.len(), 60);
        assert!(lateness[30] < Duration::from_millis(1), "half of them wake up {:?} late", lateness[30]);
    }

    #[test]
    fn a_bell_wakes_who_waits_for_another_task() {
        let reactor = Reactor::new().unwrap();
        let (bell, value, seen) = (Bell::default(), Cell::new(0), Cell::new(0));
        let waits = async { seen.set(bell.wait(&reactor, || (value.get() == 3).then(|| value.get())).await) };
        let brings = async {
            for step in 1..=3 {
                reactor.sleep_until(Instant::now() + Duration::from_micros(200)).await;
                value.set(step);
                bell.ring(&reactor);
            }
        };
        reactor.run(vec![Box::pin(waits), Box::pin(brings)], |_| {}).unwrap();
        assert_eq!(seen.get(), 3);
    }

    #[test]
    fn a_task_is_told_when_its_limit_has_passed() {
        let reactor = Reactor::new().unwrap();
        let start = Instant::now();
        let waits_for_nothing = async {
            reactor.limit(Some(start + Duration::from_millis(30)));
            while !reactor.is_overdue() {
                reactor.park().await;
            }
            reactor.limit(None);
            assert!(!reactor.is_overdue());
        };
        reactor.run(vec![Box::pin(waits_for_nothing)], |_| {}).unwrap();
        assert!((30..200).contains(&start.elapsed().as_millis()));
    }
}
