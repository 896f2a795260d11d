// Command provisioner plays the parts that a cloud has outside of a cluster: disks for claims of
// volumes, and addresses for Services of the type LoadBalancer. It runs on the host, as root.
package main

import (
	"context"
	"errors"
	"flag"
	"log"
	"net/netip"
	"os/signal"
	"syscall"
	"time"

	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/clientcmd"
)

// What could not be done is tried again this often, even if nothing changes.
const retry = time.Second

func main() {
	kubeconfig := flag.String("kubeconfig", "", "how to reach the cluster")
	nodes := flag.String("nodes", "", "the folder with a folder for each node")
	addresses := flag.String("addresses", "10.98.0.0/24", "what LoadBalancer Services get their addresses from")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *kubeconfig, *nodes, *addresses); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, kubeconfig, nodes, addresses string) error {
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return err
	}
	// A hundred claims at once are one step of a test, not an attack.
	config.QPS, config.Burst = 500, 1000
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	pool, err := netip.ParsePrefix(addresses)
	if err != nil {
		return err
	}
	factory := informers.NewSharedInformerFactory(client, 0)
	changed := make(chan struct{}, 1)
	volumes := newVolumes(client, factory, nodes)
	balancer := newBalancer(client, factory, pool)
	if err := announce(changed, factory); err != nil {
		return err
	}
	factory.Start(ctx.Done())
	for _, synced := range factory.WaitForCacheSync(ctx.Done()) {
		if !synced {
			return errors.New("the cluster's objects could not be listed")
		}
	}
	log.Println("serving")
	tick := time.NewTicker(retry)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-changed:
		case <-tick.C:
		}
		volumes.reconcile(ctx)
		balancer.reconcile(ctx)
	}
}

// announce makes every change of what is watched wake the loop once.
func announce(changed chan<- struct{}, factory informers.SharedInformerFactory) error {
	wake := func() {
		select {
		case changed <- struct{}{}:
		default:
		}
	}
	handler := cache.ResourceEventHandlerFuncs{
		AddFunc:    func(any) { wake() },
		UpdateFunc: func(any, any) { wake() },
		DeleteFunc: func(any) { wake() },
	}
	core := factory.Core().V1()
	for _, informer := range []cache.SharedIndexInformer{
		core.PersistentVolumeClaims().Informer(),
		core.PersistentVolumes().Informer(),
		core.Services().Informer(),
		core.Nodes().Informer(),
		factory.Storage().V1().StorageClasses().Informer(),
		factory.Discovery().V1().EndpointSlices().Informer(),
	} {
		if _, err := informer.AddEventHandler(handler); err != nil {
			return err
		}
	}
	return nil
}
