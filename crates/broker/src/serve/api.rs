//! Serves the admin API with certificates that may change while it runs.

use std::sync::Arc;
use std::time::Duration;

use holdfast_model::{Clock, ClusterId};
use holdfast_rpc::admin::{self, AdminService};
use holdfast_runtime::Tasks;
use holdfast_runtime::config::Config;
use holdfast_runtime::tasks::Class;
use holdfast_security::{Reloading, TlsFiles};
use tokio::net::TcpListener;

use super::StartError;

/// How often the files of the certificates are looked at.
const LOOK: Duration = Duration::from_secs(10);

/// Serves on a bound socket until the process stops.
///
/// # Errors
/// The files of the certificates cannot be used.
pub(super) fn serve(
    config: &Config,
    clock: &Arc<dyn Clock>,
    tasks: &Tasks,
    socket: TcpListener,
    cluster: ClusterId,
    service: impl AdminService,
) -> Result<(), StartError> {
    let Some([certificate, key, authority]) = config.admin_api.files() else {
        return Ok(());
    };
    let files = TlsFiles {
        certificate: certificate.clone(),
        key: key.clone(),
        authority: authority.clone(),
    };
    let tls = Reloading::load(files, Arc::clone(clock));
    let tls = Arc::new(tls.map_err(|error| StartError::AdminApi(error.to_string()))?);
    let stop = tasks.shutdown_token();
    tasks.spawn("certificates", Class::Watcher, {
        let (tls, stop) = (Arc::clone(&tls), stop.clone());
        async move {
            loop {
                tokio::select! {
                    biased;
                    () = stop.cancelled() => return,
                    () = tokio::time::sleep(LOOK) => look_again(Arc::clone(&tls)).await,
                }
            }
        }
    });
    tasks.spawn("admin-api", Class::Watcher, async move {
        let served = admin::serve(socket, tls, cluster, service, stop.cancelled_owned()).await;
        if let Err(error) = served {
            tracing::error!(%error, "the admin API failed");
        }
    });
    Ok(())
}

async fn look_again(tls: Arc<Reloading>) {
    let looked = tokio::task::spawn_blocking(move || tls.reload_if_changed()).await;
    match looked {
        Ok(Ok(true)) => tracing::info!("new certificates are in use"),
        Ok(Ok(false)) => {}
        Ok(Err(error)) => tracing::warn!(%error, "keeps the certificates it has"),
        Err(error) => tracing::error!(%error, "looking at the certificates failed"),
    }
}
