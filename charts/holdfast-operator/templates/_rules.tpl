{{/*
What the operator may do in the namespaces of its clusters. crates/operator/src/rbac.rs has the same
list, and a test compares: whoever changes one changes the other.

Nothing here deletes a claim, a ConfigMap or a Secret; claims are not created either (StatefulSets do
that). Secrets are read by name only: without list and watch nobody can leaf through them.
*/}}
{{- define "holdfast-operator.namespacedRules" -}}
- apiGroups: [holdfast.io]
  resources: [messageclusters]
  verbs: [get, list, watch]
- apiGroups: [holdfast.io]
  resources: [messagetopics]
  # patch: the finalizer of a topic that is deleted with its resource.
  verbs: [get, list, watch, patch]
- apiGroups: [holdfast.io]
  resources: [messageclusters/status, messagetopics/status]
  verbs: [patch]
- apiGroups: [apps]
  resources: [statefulsets]
  # delete: a set is made again, its pods kept, when its volumes have grown.
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [""]
  resources: [services]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [""]
  resources: [serviceaccounts]
  verbs: [get, list, watch, create, patch]
- apiGroups: [""]
  resources: [configmaps]
  # update: the identity changes only on the version that was read.
  verbs: [get, list, watch, create, patch, update]
- apiGroups: [""]
  resources: [secrets]
  verbs: [get, create, patch]
- apiGroups: [""]
  resources: [pods]
  verbs: [get, list, watch, delete]
- apiGroups: [""]
  resources: [persistentvolumeclaims]
  verbs: [get, list, watch, patch]
- apiGroups: [policy]
  resources: [poddisruptionbudgets]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [networking.k8s.io]
  resources: [networkpolicies]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [create, patch]
{{- end -}}

{{/* What is outside namespaces is only read: zones, cordons and taints of nodes; what volumes can do. */}}
{{- define "holdfast-operator.clusterRules" -}}
- apiGroups: [""]
  resources: [nodes, persistentvolumes]
  verbs: [get, list, watch]
- apiGroups: [storage.k8s.io]
  resources: [storageclasses]
  verbs: [get, list, watch]
{{- end -}}
