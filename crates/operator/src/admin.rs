//! Asks brokers over their admin API, with a certificate that exists in memory only.

use std::sync::Arc;
use std::time::Duration;

use holdfast_model::{BrokerId, Clock, ClusterId};
use holdfast_rpc::admin::Admin;
use holdfast_rpc::{Address, Request, Response, Status, call};
use holdfast_security::{Authority, Role, Tls, UnixTime, server_name_of_broker};

use crate::error::Error;

/// The port of the admin API in every pod.
const PORT: u16 = 9392;

/// How long a broker has to answer a question. One that is alive does in milliseconds.
const ASK_TIMEOUT: Duration = Duration::from_secs(2);

/// How long a broker has to do something: the controller may have to be asked, and topics be made.
const ACT_TIMEOUT: Duration = Duration::from_secs(10);

/// How long the operator's own certificate is valid; a new one is made at two thirds of that.
const LIFE: Duration = Duration::from_hours(24);

/// What it takes to talk to the brokers of one cluster. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Access {
    cluster: ClusterId,
    tls: Arc<Tls>,
}

/// One broker that can be asked. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Door {
    pub(crate) broker: i32,
    client: Admin,
}

impl Access {
    /// With a certificate of the cluster's authority.
    pub(crate) fn new(
        cluster: ClusterId,
        authority: &Authority,
        trusted: &str,
        clock: &Arc<dyn Clock>,
        now: UnixTime,
    ) -> Result<Self, Error> {
        let request = holdfast_security::Request {
            role: Role::Operator,
            dns_names: Vec::new(),
            addresses: Vec::new(),
            life: LIFE,
        };
        let issued = authority.issue(&request, now)?;
        let tls = Tls::of_pem(&issued.certificate_pem, &issued.key_pem, trusted, clock)?;
        Ok(Self {
            cluster,
            tls: Arc::new(tls),
        })
    }

    /// Whether it is time for a new one.
    pub(crate) fn is_old(&self, now: UnixTime) -> bool {
        self.tls.validity.needs_renewal(now)
    }

    /// The broker at an address. It connects when it is first asked, and trusts no other broker there.
    pub(crate) fn door(&self, broker: i32, host: &str) -> Result<Door, Error> {
        let client = holdfast_rpc::admin::connect(
            &Address::new(host, PORT),
            Arc::clone(&self.tls.client),
            server_name_of_broker(self.cluster, BrokerId(broker)),
            ASK_TIMEOUT,
        )
        .map_err(|source| Error::Broker { broker, source })?;
        Ok(Door { broker, client })
    }
}

impl Door {
    /// Asks a question.
    pub(crate) async fn ask<T, F>(&self, question: impl FnOnce(Admin) -> F) -> Result<T, Error>
    where
        F: Future<Output = Result<Response<T>, Status>>,
    {
        self.within(ASK_TIMEOUT, question).await
    }

    /// Asks for something to be done.
    pub(crate) async fn act<T, F>(&self, wish: impl FnOnce(Admin) -> F) -> Result<T, Error>
    where
        F: Future<Output = Result<Response<T>, Status>>,
    {
        self.within(ACT_TIMEOUT, wish).await
    }

    async fn within<T, F>(
        &self,
        deadline: Duration,
        ask: impl FnOnce(Admin) -> F,
    ) -> Result<T, Error>
    where
        F: Future<Output = Result<Response<T>, Status>>,
    {
        let answer = call(deadline, ask(self.client.clone())).await;
        answer.map_err(|source| Error::Broker {
            broker: self.broker,
            source,
        })
    }
}

/// A question as the transport wants it.
pub(crate) fn request<T>(message: T) -> Request<T> {
    Request::new(message)
}
