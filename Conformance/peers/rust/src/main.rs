// SPDX-License-Identifier: Apache-2.0

//! The Rust peer: tower 0.4 as Debian packages it (without its hedge feature), on tokio's paused clock.
//! Prints one JSON object a line.

use std::convert::Infallible;
use std::future::{ready, Future, Ready};
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::sync::Arc;
use tokio::time::{sleep, sleep_until, timeout, Duration, Instant};
use tower::retry::{budget::Budget, Policy};
use tower::{service_fn, BoxError, Service, ServiceBuilder, ServiceExt};

type Done = Result<(), Infallible>;

fn report(scenario: &str, pass: bool, figure: f64, unit: &str, note: String, caveat: Option<String>) {
    let verdict = if pass { "pass" } else { "fail" };
    let version = std::env::var("CONFORMANCE_VERSION").unwrap_or_default();
    let caveat = caveat.map(|text| format!(", \"caveat\": {text:?}")).unwrap_or_default();
    println!(
        "{{\"scenario\": {scenario:?}, \"library\": \"tower\", \"version\": {version:?}, \"verdict\": {verdict:?}, \
         \"figure\": {figure:.3}, \"unit\": {unit:?}, \"note\": {note:?}{caveat}}}"
    );
}

/// The instants at which an offer of 1,000 calls a second was let through: a call runs if the service is ready at once.
async fn offer<S>(service: &mut S, start: Instant, at: f64, seconds: f64) -> Vec<Instant>
where
    S: Service<(), Response = (), Error = Infallible>,
{
    let mut through = Vec::new();
    for number in 0..(seconds * 1000.0).round() as u64 {
        sleep_until(start + Duration::from_secs_f64(at) + Duration::from_millis(number)).await;
        tokio::select! {
            biased;
            ready = service.ready() => {
                let _ = ready.unwrap().call(()).await;
                through.push(Instant::now());
            }
            _ = ready(()) => {}
        }
    }
    through
}

fn limited(count: u64, per: f64) -> impl Service<(), Response = (), Error = Infallible, Future = Ready<Done>> + Send {
    ServiceBuilder::new().rate_limit(count, Duration::from_secs_f64(per)).service(service_fn(|_| ready(Ok(()))))
}

/// Shared between tasks as the documentation says to: behind a buffer, whose clones all use the one limiter.
fn shared(
    count: u64,
    per: f64,
) -> impl Service<(), Response = (), Error = BoxError, Future = impl Send> + Clone + Send {
    ServiceBuilder::new().buffer(32).service(limited(count, per))
}

async fn limiter_accuracy() {
    let count = offer(&mut limited(100, 1.0), Instant::now(), 0.0, 10.0).await.len();
    let ratio = count as f64 / 1000.0;
    let note = format!("{count} calls let through in 10 s; ideal 1000");
    report("limiter-accuracy", (0.95..=1.10).contains(&ratio), ratio, "× ideal", note, None);
}

async fn limiter_worst_window() {
    let (mut service, start) = (limited(100, 1.0), Instant::now());
    let mut through = Vec::new();
    for (at, seconds) in [(5.0, 0.001), (5.9, 3.0), (13.0, 0.001), (13.9, 3.0)] {
        through.extend(offer(&mut service, start, at, seconds).await);
    }
    let second = Duration::from_micros(999_999);
    let within = |first: Instant| through.iter().filter(|t| **t >= first && **t - first < second).count();
    let worst = through.iter().map(|first| within(*first)).max().unwrap_or(0);
    let note = format!("{worst} calls within one second at 100 per 1 s (window, 1.0 allowed)");
    report("limiter-worst-window", worst <= 100, worst as f64 / 100.0, "× limit", note, None);
}

async fn limiter_waiting() {
    let (service, start) = (shared(2, 0.2), Instant::now());
    let calls: Vec<_> = (0..5).map(|_| tokio::spawn(service.clone().oneshot(()))).collect();
    for call in calls {
        let _ = timeout(Duration::from_secs(60), call).await.expect("hangs");
    }
    let took = start.elapsed().as_secs_f64();
    let note = format!("5 calls at 2 per 0.2 s had finished after {took:.2} s");
    report("limiter-hang", true, took, "s", note, None);

    let service = shared(1, 5.0);
    let calls: Vec<_> = (0..20).map(|_| tokio::spawn(service.clone().oneshot(()))).collect();
    sleep(Duration::from_millis(4900)).await;
    let ran = calls.iter().filter(|call| call.is_finished()).count();
    let note = format!("{ran} of 20 calls at 1 per 5 s ran in the first 4.9 s");
    report("limiter-per-call", ran == 1, ran as f64, "calls", note, None);

    let (service, start) = (shared(1, 1.0), Instant::now());
    let _ = service.clone().oneshot(()).await;
    let waiter = tokio::spawn(service.clone().oneshot(()));
    sleep(Duration::from_millis(100)).await;
    let following = tokio::spawn(service.clone().oneshot(()));
    sleep(Duration::from_millis(400)).await;
    waiter.abort();
    let _ = following.await;
    let took = start.elapsed().as_secs_f64();
    let note = format!("at 1 per 1 s, behind a waiter cancelled at 0.5 s, the following call ran at {took:.2} s");
    report("limiter-cancelled-waiter", took <= 1.05, took, "s", note, None);
}

/// Three attempts, 1 s then 2 s apart: tower leaves the policy to its user and offers the budget.
#[derive(Clone)]
struct Attempts {
    made: u32,
    budget: Option<Arc<Budget>>,
}

impl Policy<(), (), ()> for Attempts {
    type Future = Pin<Box<dyn Future<Output = Self> + Send>>;

    fn retry(&self, _: &(), result: Result<&(), &()>) -> Option<Self::Future> {
        if result.is_ok() {
            self.budget.iter().for_each(|budget| budget.deposit());
            return None;
        }
        if self.made >= 3 || self.budget.as_ref().map_or(false, |budget| budget.withdraw().is_err()) {
            return None;
        }
        let next = Attempts { made: self.made + 1, budget: self.budget.clone() };
        let wait = Duration::from_secs(1 << (self.made - 1));
        Some(Box::pin(async move {
            sleep(wait).await;
            next
        }))
    }

    fn clone_request(&self, _: &()) -> Option<()> {
        Some(())
    }
}

async fn amplification(budget: Option<Arc<Budget>>) -> f64 {
    let (sent, start) = (Arc::new(AtomicU64::new(0)), Instant::now());
    let counter = sent.clone();
    let request = service_fn(move |_: ()| {
        let down = (10.0..20.0).contains(&start.elapsed().as_secs_f64());
        counter.fetch_add(down as u64, SeqCst);
        async move {
            sleep(Duration::from_millis(10)).await;
            if down { Err(()) } else { Ok(()) }
        }
    });
    let service = ServiceBuilder::new().retry(Attempts { made: 1, budget }).service(request);
    let mut calls = Vec::new();
    for number in 0..3000 {
        sleep_until(start + Duration::from_millis(10 * number)).await;
        calls.push(tokio::spawn(service.clone().oneshot(())));
    }
    for call in calls {
        let _ = call.await;
    }
    sent.load(SeqCst) as f64 / 1000.0
}

async fn retry_amplification() {
    let (guarded, plain) = (amplification(Some(Arc::new(Budget::default()))).await, amplification(None).await);
    let note = format!("{guarded:.2} with Budget::default(), which the user's policy must ask; {plain:.2} without");
    report("retry-amplification", guarded <= 1.5, guarded, "×", note.clone(), Some(note));
}

#[tokio::main(flavor = "current_thread", start_paused = true)]
async fn main() {
    limiter_accuracy().await;
    limiter_worst_window().await;
    limiter_waiting().await;
    retry_amplification().await;
}
