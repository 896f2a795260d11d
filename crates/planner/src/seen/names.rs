//! Whose an object is, from its labels and its name.

use holdfast_api::CLUSTER_LABEL;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

/// The cluster that an object's label names.
pub fn cluster_of(metadata: &ObjectMeta) -> Option<&str> {
    metadata
        .labels
        .as_ref()?
        .get(CLUSTER_LABEL)
        .map(String::as_str)
}

/// The broker whose pod or claim has this name, as `data-orders-a-1000`.
pub fn broker_of(name: &str) -> Option<i32> {
    let (_front, number) = name.rsplit_once('-')?;
    let digits = number.bytes().all(|byte| byte.is_ascii_digit());
    number.parse().ok().filter(|_| digits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_of_a_pod_is_its_brokers() {
        assert_eq!(broker_of("data-orders-a-1000"), Some(1000));
        assert_eq!(broker_of("orders-eu-west-1a-2003"), Some(2003));
        for other in [
            "orders",
            "orders-a",
            "orders-a-",
            "orders-a-+7",
            "a-99999999999",
        ] {
            assert_eq!(broker_of(other), None, "{other}");
        }
    }
}
