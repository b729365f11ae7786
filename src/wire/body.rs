//! Bodies that are counted and recorded while they stream.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use aws_smithy_types::body::SdkBody;
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

use super::http::{WireError, classify, injected};
use super::pool::Lane;
use super::record::{Failure, Flight, Watch};

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// A request body on its way to the server.
pub(crate) struct Sent {
    inner: SdkBody,
    flight: Arc<Flight>,
    is_whole: Arc<AtomicBool>,
    scope: String,
}

impl Sent {
    /// The body, and a flag that becomes true when all of it was handed over.
    pub(crate) fn new(inner: SdkBody, flight: Arc<Flight>, scope: String) -> (Self, Arc<AtomicBool>) {
        let is_whole = Arc::new(AtomicBool::new(Body::is_end_stream(&inner)));
        (Self { inner, flight, is_whole: is_whole.clone(), scope }, is_whole)
    }
}

impl Body for Sent {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let frame = std::task::ready!(Pin::new(&mut self.inner).poll_frame(cx));
        if let Some(Ok(frame)) = &frame {
            if let Err(error) = injected("wire.request_body", &self.scope) {
                return Poll::Ready(Some(Err(error.into())));
            }
            frame.data_ref().into_iter().for_each(|data| self.flight.sent(data));
        }
        if frame.is_none() || Body::is_end_stream(&self.inner) {
            self.is_whole.store(true, Ordering::Release);
        }
        Poll::Ready(frame)
    }
    fn is_end_stream(&self) -> bool {
        Body::is_end_stream(&self.inner)
    }
    fn size_hint(&self) -> SizeHint {
        Body::size_hint(&self.inner)
    }
}

/// A response body on its way to the caller. At its end the connection goes back to the pool.
pub(crate) struct Received {
    inner: Incoming,
    watch: Watch,
    lane: Option<Lane>,
    is_whole: Arc<AtomicBool>,
    limit: Duration,
    deadline: Pin<Box<tokio::time::Sleep>>,
}

impl Received {
    pub(crate) fn new(inner: Incoming, watch: Watch, lane: Lane, is_whole: Arc<AtomicBool>, limit: Duration) -> Self {
        let mut body = Self { inner, watch, lane: Some(lane), is_whole, limit, deadline: Box::pin(tokio::time::sleep(limit)) };
        body.end_if_complete();
        body
    }
    fn end_if_complete(&mut self) {
        if self.inner.is_end_stream() {
            self.end();
        }
    }
    fn end(&mut self) {
        self.watch.0.finish();
        if let Some(lane) = self.lane.take()
            && self.is_whole.load(Ordering::Acquire)
        {
            lane.give_back();
        }
    }
    fn fail(&mut self, error: WireError) -> BoxError {
        self.lane = None;
        self.watch.0.failed(error.failure, &error.message);
        error.into()
    }
}

impl Body for Received {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        match Pin::new(&mut self.inner).poll_frame(cx) {
            Poll::Ready(Some(Ok(frame))) => {
                frame.data_ref().into_iter().for_each(|data| self.watch.0.received(data));
                let next = tokio::time::Instant::now() + self.limit;
                self.deadline.as_mut().reset(next);
                self.end_if_complete();
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(Some(Err(error))) => {
                let mut error = classify(&error);
                if error.failure == Failure::ClosedEarly {
                    error.failure = Failure::Truncated;
                }
                Poll::Ready(Some(Err(self.fail(error))))
            }
            Poll::Ready(None) => {
                self.end();
                Poll::Ready(None)
            }
            Poll::Pending if self.deadline.as_mut().poll(cx).is_ready() => {
                let message = format!("no further byte of the response body within {:?}", self.limit);
                Poll::Ready(Some(Err(self.fail(WireError::new(Failure::Timeout, message)))))
            }
            Poll::Pending => Poll::Pending,
        }
    }
    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }
    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
