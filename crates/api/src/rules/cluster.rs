//! Rules of clusters.

use super::Law;

/// The longest name of a cluster.
pub(crate) const LONGEST_CLUSTER_NAME: usize = 32;

/// The most characters that the names of a cluster and of one of its zones have together. A
/// StatefulSet's pods bear its name and a revision of up to 10 characters as a label, which ends at
/// 63 characters: so the StatefulSet's name, `<cluster>-<zone>`, ends at 52.
pub(crate) const LONGEST_NAMES: usize = 51;

/// Ports of every broker that no listener can have.
pub(crate) const RESERVED_PORTS: [i32; 3] = [9192, 9292, 9392];

pub(crate) const CLUSTER_NAME_LENGTH: Law = Law {
    cel: "size(self.metadata.name) <= 32",
    says: "metadata.name may have 32 characters at most, because the names of pods and Services are \
           made from it: choose a shorter name",
    at: "",
};

pub(crate) const CLUSTER_NAME_LABEL: Law = Law {
    cel: "self.metadata.name.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$')",
    says: "metadata.name must be a DNS label that begins with a letter, because Services are named \
           after it: use a-z, 0-9 and -, as orders",
    at: "",
};

pub(crate) const ZONE_NAME_LENGTH: Law = Law {
    cel: "!has(self.spec.zones) || \
          self.spec.zones.all(z, size(self.metadata.name) + size(z.name) <= 51)",
    says: "metadata.name and the name of a zone may have 51 characters together, because pods are \
           named after both: choose a shorter name of the cluster",
    at: ".spec.zones",
};

pub(crate) const ZONE_LABELS: Law = Law {
    cel: "self.all(a, self.exists_one(b, \
          a.name.lowerAscii().replace('_', '-').replace('.', '-') == \
          b.name.lowerAscii().replace('_', '-').replace('.', '-')))",
    says: "zones must have names that differ in more than case, dots and underscores, because pods \
           are named after them: rename the zone's nodes' label, or leave one out",
    at: "",
};

pub(crate) const ZONES_ADD_UP: Law = Law {
    cel: "!has(self.zones) || size(self.zones) == 0 || self.zones.exists(z, !has(z.replicas)) || \
          self.replicas == self.zones.map(z, z.replicas).sum()",
    says: "the replicas of the zones must add up to spec.replicas: change spec.replicas too, or \
           leave replicas of one zone unset",
    at: ".replicas",
};

pub(crate) const ZONES_WITHIN: Law = Law {
    cel: "!has(self.zones) || \
          self.zones.map(z, has(z.replicas) ? z.replicas : 0).sum() <= self.replicas",
    says: "the zones ask for more brokers than spec.replicas: raise spec.replicas, or lower \
           replicas of a zone",
    at: ".replicas",
};

pub(crate) const TOPOLOGY_KEY_FIXED: Law = Law {
    cel: "self == oldSelf",
    says: "topologyKey cannot change, because volumes lie in the zones that it named: keep it, or \
           create a second cluster",
    at: "",
};

pub(crate) const STORAGE_SIZE: Law = Law {
    cel: "isQuantity(self) && quantity(self).compareTo(quantity('64Mi')) >= 0",
    says: "storage.size must be a quantity of at least 64Mi: write one as 100Gi",
    at: "",
};

pub(crate) const STORAGE_SHRINKS: Law = Law {
    cel: "!isQuantity(self) || !isQuantity(oldSelf) || \
          quantity(self).compareTo(quantity(oldSelf)) >= 0",
    says: "storage.size cannot shrink, because volumes only grow: keep the old size, or create a \
           second cluster with the smaller one",
    at: "",
};

pub(crate) const STORAGE_CLASS_FIXED: Law = Law {
    cel: "has(self.class) == has(oldSelf.class) && (!has(self.class) || self.class == oldSelf.class)",
    says: "storage.class cannot change, because volumes keep the class they were made with: keep \
           it, or create a second cluster",
    at: ".class",
};

/// A zone that gets or loses its own storage changes from one size to another without a change of
/// either.
pub(crate) const ZONE_STORAGE_SHRINKS: Law = Law {
    cel: "(has(self.zones) && size(self.zones) > 0) ? self.zones.all(z, \
          (has(oldSelf.zones) && size(oldSelf.zones) > 0 \
          ? oldSelf.zones.filter(o, o.name == z.name && has(o.storage) != has(z.storage))\
          .map(o, has(o.storage) ? o.storage.size : oldSelf.storage.size) \
          : [oldSelf.storage.size].filter(s, has(z.storage)))\
          .all(s, quantity(has(z.storage) ? z.storage.size : self.storage.size)\
          .compareTo(quantity(s)) >= 0)) \
          : !has(oldSelf.zones) || oldSelf.zones.all(o, !has(o.storage) || \
          quantity(self.storage.size).compareTo(quantity(o.storage.size)) >= 0)",
    says: "storage.size of a zone cannot shrink, because volumes only grow: keep storage of that \
           zone, with a size that is no smaller than before",
    at: ".zones",
};

/// As for the size, so for the class.
pub(crate) const ZONE_STORAGE_CLASS_FIXED: Law = Law {
    cel: "(has(self.zones) && size(self.zones) > 0) ? self.zones.all(z, \
          (has(oldSelf.zones) && size(oldSelf.zones) > 0 \
          ? oldSelf.zones.filter(o, o.name == z.name && has(o.storage) != has(z.storage))\
          .map(o, has(o.storage) ? (has(o.storage.class) ? o.storage.class : '') \
          : (has(oldSelf.storage.class) ? oldSelf.storage.class : '')) \
          : [has(oldSelf.storage.class) ? oldSelf.storage.class : '']\
          .filter(c, has(z.storage)))\
          .all(c, c == (has(z.storage) ? (has(z.storage.class) ? z.storage.class : '') \
          : (has(self.storage.class) ? self.storage.class : '')))) \
          : !has(oldSelf.zones) || oldSelf.zones.all(o, !has(o.storage) || \
          (has(o.storage.class) ? o.storage.class : '') == \
          (has(self.storage.class) ? self.storage.class : ''))",
    says: "storage.class of a zone cannot change, because volumes keep the class they were made \
           with: keep storage of that zone, with the class that it had",
    at: ".zones",
};

pub(crate) const PORTS_DIFFER: Law = Law {
    cel: "self.all(a, self.exists_one(b, b.port == a.port))",
    says: "listeners must have different ports: give one of them another port",
    at: "",
};

pub(crate) const NODE_PORTS_DIFFER: Law = Law {
    cel: "self.all(a, !has(a.nodePort) || \
          self.exists_one(b, has(b.nodePort) && b.nodePort == a.nodePort))",
    says: "listeners must have different values of nodePort: give one of them another, or leave it \
           unset",
    at: "",
};

pub(crate) const ONE_IS_INTERNAL: Law = Law {
    cel: "self.exists(l, l.type == 'Internal')",
    says: "listeners must hold at least one of type Internal, by which the operator reaches the \
           brokers: add {name: INTERNAL, port: 9092}",
    at: "",
};

pub(crate) const PORT_IS_FREE: Law = Law {
    cel: "!(self in [9192, 9292, 9392])",
    says: "port cannot be 9192 (brokers among themselves), 9292 (metrics and probes) or 9392 (the \
           admin API): choose another, as 9092",
    at: "",
};

pub(crate) const INTERNAL_HAS_NO_HOST: Law = Law {
    cel: "self.type != 'Internal' || !has(self.advertisedHost)",
    says: "advertisedHost is for listeners of type NodePort and LoadBalancer, because pods have \
           names of their own: leave it out, or change type",
    at: ".advertisedHost",
};

pub(crate) const NODE_PORT_HAS_TYPE: Law = Law {
    cel: "self.type == 'NodePort' || !has(self.nodePort)",
    says: "nodePort is for listeners of type NodePort: leave it out, or change type",
    at: ".nodePort",
};

pub(crate) const CLUSTER_MIN_INSYNC: Law = Law {
    cel: "!has(self.settings) || !('min.insync.replicas' in self.settings) || \
          (self.settings['min.insync.replicas'].matches('^[1-9][0-9]{0,8}$') && \
          int(self.settings['min.insync.replicas']) <= self.replicas)",
    says: "settings: min.insync.replicas must be a number from 1 to spec.replicas, or nothing could \
           be produced: lower it, or raise spec.replicas",
    at: ".settings",
};

pub(crate) const CLUSTER_REPLICATION: Law = Law {
    cel: "!has(self.settings) || !('default.replication.factor' in self.settings) || \
          (self.settings['default.replication.factor'].matches('^[1-9][0-9]{0,8}$') && \
          int(self.settings['default.replication.factor']) <= self.replicas)",
    says: "settings: default.replication.factor must be a number from 1 to spec.replicas, or no \
           topic could be made: lower it, or raise spec.replicas",
    at: ".settings",
};
