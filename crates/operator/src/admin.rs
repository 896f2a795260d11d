//! Asks brokers over their admin API, with a certificate that exists in memory only.

use std::sync::Arc;
use std::time::Duration;

use holdfast_model::{Clock, ClusterId};
use holdfast_security::{Authority, Role, Tls, UnixTime};

use crate::error::Error;
use crate::outside::{Answer, BrokerApi, Outside};

/// How long the operator's own certificate is valid; a new one is made at two thirds of that.
const LIFE: Duration = Duration::from_hours(24);

/// What it takes to talk to the brokers of one cluster. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Access {
    cluster: ClusterId,
    tls: Arc<Tls>,
    outside: Arc<dyn Outside>,
}

/// One broker that can be asked. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Door {
    pub(crate) broker: i32,
    api: Arc<dyn BrokerApi>,
}

impl Access {
    /// With a certificate of the cluster's authority.
    pub(crate) fn new(
        cluster: ClusterId,
        authority: &Authority,
        trusted: &str,
        (clock, outside): (&Arc<dyn Clock>, &Arc<dyn Outside>),
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
            outside: Arc::clone(outside),
        })
    }

    /// Whether it is time for a new one.
    pub(crate) fn is_old(&self, now: UnixTime) -> bool {
        self.tls.validity.needs_renewal(now)
    }

    /// The broker at an address. It connects when it is first asked, and trusts no other broker there.
    pub(crate) fn door(&self, broker: i32, host: &str) -> Result<Door, Error> {
        let api = self.outside.broker(&self.tls, self.cluster, broker, host);
        let api = api.map_err(|source| Error::Broker { broker, source })?;
        Ok(Door { broker, api })
    }
}

impl Door {
    /// Asks for an answer, or for something to be done.
    pub(crate) async fn ask<T>(
        &self,
        question: impl FnOnce(&dyn BrokerApi) -> Answer<T>,
    ) -> Result<T, Error> {
        let answer = question(self.api.as_ref()).await;
        answer.map_err(|source| Error::Broker {
            broker: self.broker,
            source,
        })
    }
}
