package main

import (
	"context"
	"fmt"
	"log"
	"path/filepath"
	"strings"

	core "k8s.io/api/core/v1"
	storage "k8s.io/api/storage/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	corelisters "k8s.io/client-go/listers/core/v1"
	storagelisters "k8s.io/client-go/listers/storage/v1"
)

const (
	provisionerName = "holdfast.test/loop"
	provisionedBy   = "pv.kubernetes.io/provisioned-by"
	selectedNode    = "volume.kubernetes.io/selected-node"
	fakeNode        = "kwok.x-k8s.io/node"
	hostnameLabel   = "kubernetes.io/hostname"
)

// volumes keeps a disk for every claim whose pod has got a node: made, grown with the claim, and
// deleted with it if its class says so.
type volumes struct {
	client  kubernetes.Interface
	folder  string
	claims  corelisters.PersistentVolumeClaimLister
	volumes corelisters.PersistentVolumeLister
	nodes   corelisters.NodeLister
	classes storagelisters.StorageClassLister
}

func newVolumes(client kubernetes.Interface, factory informers.SharedInformerFactory, folder string) *volumes {
	return &volumes{
		client:  client,
		folder:  folder,
		claims:  factory.Core().V1().PersistentVolumeClaims().Lister(),
		volumes: factory.Core().V1().PersistentVolumes().Lister(),
		nodes:   factory.Core().V1().Nodes().Lister(),
		classes: factory.Storage().V1().StorageClasses().Lister(),
	}
}

func (v *volumes) reconcile(ctx context.Context) {
	claims, _ := v.claims.List(labels.Everything())
	for _, claim := range claims {
		if err := v.keepClaim(ctx, claim); err != nil {
			log.Printf("claim %s/%s: %v", claim.Namespace, claim.Name, err)
		}
	}
	all, _ := v.volumes.List(labels.Everything())
	for _, volume := range all {
		if err := v.release(ctx, volume); err != nil {
			log.Printf("volume %s: %v", volume.Name, err)
		}
	}
}

func (v *volumes) keepClaim(ctx context.Context, claim *core.PersistentVolumeClaim) error {
	class := v.class(claim)
	if class == nil || claim.DeletionTimestamp != nil {
		return nil
	}
	name := "pvc-" + string(claim.UID)
	volume, err := v.volumes.Get(name)
	if apierrors.IsNotFound(err) {
		node := claim.Annotations[selectedNode]
		if node == "" || claim.Spec.VolumeName != "" {
			return nil
		}
		return v.provision(ctx, claim, class, name, node)
	}
	if err != nil || claim.Status.Phase != core.ClaimBound {
		return err
	}
	return v.grow(ctx, claim, volume)
}

// class returns the claim's class if it is one of ours.
func (v *volumes) class(claim *core.PersistentVolumeClaim) *storage.StorageClass {
	if claim.Spec.StorageClassName == nil {
		return nil
	}
	class, err := v.classes.Get(*claim.Spec.StorageClassName)
	if err != nil || class.Provisioner != provisionerName {
		return nil
	}
	return class
}

// isFake says whether a node is only an object: its disks are too.
func (v *volumes) isFake(name string) (bool, error) {
	node, err := v.nodes.Get(name)
	if err != nil {
		return false, err
	}
	_, fake := node.Annotations[fakeNode]
	return fake, nil
}

func (v *volumes) provision(
	ctx context.Context, claim *core.PersistentVolumeClaim, class *storage.StorageClass, name, node string,
) error {
	size := claim.Spec.Resources.Requests[core.ResourceStorage]
	place := filepath.Join(v.folder, node, "volumes", name)
	fake, err := v.isFake(node)
	if err != nil {
		return err
	}
	if !fake {
		if err := makeDisk(ctx, place, size.Value()); err != nil {
			return err
		}
	}
	reclaim := core.PersistentVolumeReclaimDelete
	if class.ReclaimPolicy != nil {
		reclaim = *class.ReclaimPolicy
	}
	mode := core.PersistentVolumeFilesystem
	volume := &core.PersistentVolume{
		ObjectMeta: meta.ObjectMeta{Name: name, Annotations: map[string]string{provisionedBy: provisionerName}},
		Spec: core.PersistentVolumeSpec{
			Capacity:                      core.ResourceList{core.ResourceStorage: size},
			AccessModes:                   claim.Spec.AccessModes,
			VolumeMode:                    &mode,
			PersistentVolumeReclaimPolicy: reclaim,
			StorageClassName:              class.Name,
			ClaimRef: &core.ObjectReference{
				APIVersion: "v1", Kind: "PersistentVolumeClaim",
				Namespace: claim.Namespace, Name: claim.Name, UID: claim.UID,
			},
			PersistentVolumeSource: core.PersistentVolumeSource{Local: &core.LocalVolumeSource{Path: place}},
			NodeAffinity:           onlyOn(node),
		},
	}
	_, err = v.client.CoreV1().PersistentVolumes().Create(ctx, volume, meta.CreateOptions{})
	if apierrors.IsAlreadyExists(err) {
		return nil
	}
	if err == nil {
		log.Printf("claim %s/%s: %s on %s", claim.Namespace, claim.Name, size.String(), node)
	}
	return err
}

func onlyOn(node string) *core.VolumeNodeAffinity {
	term := core.NodeSelectorTerm{MatchExpressions: []core.NodeSelectorRequirement{{
		Key: hostnameLabel, Operator: core.NodeSelectorOpIn, Values: []string{node},
	}}}
	return &core.VolumeNodeAffinity{Required: &core.NodeSelector{NodeSelectorTerms: []core.NodeSelectorTerm{term}}}
}

// grow brings the disk, then the volume, then the claim to the size asked for: what is told last is
// true when it is told. The API server has already refused it where the class does not allow it.
func (v *volumes) grow(ctx context.Context, claim *core.PersistentVolumeClaim, volume *core.PersistentVolume) error {
	size := claim.Spec.Resources.Requests[core.ResourceStorage]
	if has := volume.Spec.Capacity[core.ResourceStorage]; size.Cmp(has) > 0 {
		if place, real := v.disk(volume); real {
			if err := growDisk(ctx, place, size.Value()); err != nil {
				return err
			}
		}
		volume = volume.DeepCopy()
		volume.Spec.Capacity[core.ResourceStorage] = size
		if _, err := v.client.CoreV1().PersistentVolumes().Update(ctx, volume, meta.UpdateOptions{}); err != nil {
			return err
		}
	}
	if has := claim.Status.Capacity[core.ResourceStorage]; size.Cmp(has) > 0 {
		claim = claim.DeepCopy()
		claim.Status.Capacity[core.ResourceStorage] = size
		claim.Status.Conditions = nil
		claims := v.client.CoreV1().PersistentVolumeClaims(claim.Namespace)
		if _, err := claims.UpdateStatus(ctx, claim, meta.UpdateOptions{}); err != nil {
			return err
		}
		log.Printf("claim %s/%s: grown to %s", claim.Namespace, claim.Name, size.String())
	}
	return nil
}

// disk returns where the volume's disk lies, and whether there is one: fake nodes have none, and
// nothing outside the nodes' folder is ever touched.
func (v *volumes) disk(volume *core.PersistentVolume) (string, bool) {
	if volume.Spec.Local == nil {
		return "", false
	}
	place := filepath.Clean(volume.Spec.Local.Path)
	inside := strings.HasPrefix(place, filepath.Clean(v.folder)+"/")
	return place, inside && hasDisk(place)
}

func (v *volumes) release(ctx context.Context, volume *core.PersistentVolume) error {
	if volume.Annotations[provisionedBy] != provisionerName ||
		volume.Status.Phase != core.VolumeReleased ||
		volume.Spec.PersistentVolumeReclaimPolicy != core.PersistentVolumeReclaimDelete {
		return nil
	}
	if place, real := v.disk(volume); real {
		if err := deleteDisk(ctx, place); err != nil {
			return fmt.Errorf("not deleted yet: %w", err)
		}
	}
	err := v.client.CoreV1().PersistentVolumes().Delete(ctx, volume.Name, meta.DeleteOptions{})
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}
