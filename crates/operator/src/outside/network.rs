//! The real outside: brokers over gRPC and mutual TLS, and the machine's chance.

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use holdfast_model::{BrokerId, ClusterId};
use holdfast_rpc::admin::Admin;
use holdfast_rpc::proto::admin::{
    AcquirePermitReply, AcquirePermitRequest, AdmitDiskReply, AdmitDiskRequest,
    ChangeSettingsReply, ChangeSettingsRequest, DeleteTopicReply, DeleteTopicRequest,
    DescribeBrokerReply, DescribeBrokerRequest, DescribeClusterReply, DescribeClusterRequest,
    EndPermitReply, EndPermitRequest, EnsureTopicReply, EnsureTopicRequest, RaiseFeatureLevelReply,
    RaiseFeatureLevelRequest,
};
use holdfast_rpc::{Address, Request, Response, Status, call};
use holdfast_security::{Tls, server_name_of_broker};
use uuid::Uuid;

use super::{Answer, BrokerApi, Outside};

/// The port of the admin API in every pod.
const PORT: u16 = 9392;

/// How long a broker has to answer a question. One that is alive does in milliseconds.
const ASK_TIMEOUT: Duration = Duration::from_secs(2);

/// How long a broker has to do something: the controller may have to be asked, and topics be made.
const ACT_TIMEOUT: Duration = Duration::from_secs(10);

/// The network and the machine.
#[derive(Debug)]
pub(crate) struct Network;

impl Outside for Network {
    fn broker(
        &self,
        tls: &Tls,
        cluster: ClusterId,
        broker: i32,
        host: &str,
    ) -> Result<Arc<dyn BrokerApi>, holdfast_rpc::Error> {
        let client = holdfast_rpc::admin::connect(
            &Address::new(host, PORT),
            Arc::clone(&tls.client),
            server_name_of_broker(cluster, BrokerId(broker)),
            ASK_TIMEOUT,
        )?;
        Ok(Arc::new(Remote { client }))
    }

    fn fresh_cluster_id(&self) -> ClusterId {
        ClusterId(Uuid::new_v4())
    }
}

/// A broker. It connects when it is first asked.
#[derive(Debug)]
struct Remote {
    client: Admin,
}

impl Remote {
    fn ask<T, F>(&self, deadline: Duration, ask: impl FnOnce(Admin) -> F) -> Answer<T>
    where
        T: Send + 'static,
        F: Future<Output = Result<Response<T>, Status>> + Send + 'static,
    {
        call(deadline, ask(self.client.clone())).boxed()
    }
}

impl BrokerApi for Remote {
    fn describe_broker(&self) -> Answer<DescribeBrokerReply> {
        self.ask(ASK_TIMEOUT, |mut client| async move {
            let question = Request::new(DescribeBrokerRequest {});
            client.describe_broker(question).await
        })
    }

    fn describe_cluster(&self) -> Answer<DescribeClusterReply> {
        self.ask(ASK_TIMEOUT, |mut client| async move {
            let question = Request::new(DescribeClusterRequest {});
            client.describe_cluster(question).await
        })
    }

    fn acquire_permit(&self, wish: AcquirePermitRequest) -> Answer<AcquirePermitReply> {
        self.ask(ACT_TIMEOUT, |mut client| async move {
            client.acquire_permit(Request::new(wish)).await
        })
    }

    fn end_permit(&self, wish: EndPermitRequest) -> Answer<EndPermitReply> {
        self.ask(ACT_TIMEOUT, |mut client| async move {
            client.end_permit(Request::new(wish)).await
        })
    }

    fn admit_disk(&self, wish: AdmitDiskRequest) -> Answer<AdmitDiskReply> {
        self.ask(ACT_TIMEOUT, |mut client| async move {
            client.admit_disk(Request::new(wish)).await
        })
    }

    fn change_settings(&self, wish: ChangeSettingsRequest) -> Answer<ChangeSettingsReply> {
        self.ask(ACT_TIMEOUT, |mut client| async move {
            client.change_settings(Request::new(wish)).await
        })
    }

    fn raise_feature_level(
        &self,
        wish: RaiseFeatureLevelRequest,
    ) -> Answer<RaiseFeatureLevelReply> {
        self.ask(ACT_TIMEOUT, |mut client| async move {
            client.raise_feature_level(Request::new(wish)).await
        })
    }

    fn ensure_topic(&self, wish: EnsureTopicRequest) -> Answer<EnsureTopicReply> {
        self.ask(ACT_TIMEOUT, |mut client| async move {
            client.ensure_topic(Request::new(wish)).await
        })
    }

    fn delete_topic(&self, wish: DeleteTopicRequest) -> Answer<DeleteTopicReply> {
        self.ask(ACT_TIMEOUT, |mut client| async move {
            client.delete_topic(Request::new(wish)).await
        })
    }
}
