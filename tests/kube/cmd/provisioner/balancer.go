package main

import (
	"context"
	"log"
	"net/netip"
	"slices"
	"strings"

	core "k8s.io/api/core/v1"
	discovery "k8s.io/api/discovery/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	corelisters "k8s.io/client-go/listers/core/v1"
	discoverylisters "k8s.io/client-go/listers/discovery/v1"
)

// balancer gives every Service of the type LoadBalancer an address, and routes the address on the
// host to a node that is ready, where kube-proxy takes over.
type balancer struct {
	client   kubernetes.Interface
	pool     netip.Prefix
	services corelisters.ServiceLister
	nodes    corelisters.NodeLister
	slices   discoverylisters.EndpointSliceLister
	// The node that each address is routed to.
	routes map[netip.Addr]netip.Addr
	route  func(ctx context.Context, arguments ...string) error
}

func newBalancer(client kubernetes.Interface, factory informers.SharedInformerFactory, pool netip.Prefix) *balancer {
	return &balancer{
		client:   client,
		pool:     pool,
		services: factory.Core().V1().Services().Lister(),
		nodes:    factory.Core().V1().Nodes().Lister(),
		slices:   factory.Discovery().V1().EndpointSlices().Lister(),
		routes:   map[netip.Addr]netip.Addr{},
		route: func(ctx context.Context, arguments ...string) error {
			return tool(ctx, "ip", append([]string{"route"}, arguments...)...)
		},
	}
}

func (b *balancer) reconcile(ctx context.Context) {
	services, _ := b.services.List(labels.Everything())
	services = slices.DeleteFunc(services, func(service *core.Service) bool {
		return service.Spec.Type != core.ServiceTypeLoadBalancer || service.Spec.LoadBalancerClass != nil
	})
	// The oldest first: who has an address keeps it.
	slices.SortFunc(services, func(x, y *core.Service) int {
		if order := x.CreationTimestamp.Compare(y.CreationTimestamp.Time); order != 0 {
			return order
		}
		return strings.Compare(x.Namespace+"/"+x.Name, y.Namespace+"/"+y.Name)
	})
	taken := map[netip.Addr]bool{}
	for _, service := range services {
		if address, has := b.address(service); has {
			taken[address] = true
		}
	}
	wanted := map[netip.Addr]netip.Addr{}
	for _, service := range services {
		address, has := b.address(service)
		if !has {
			address = firstFree(b.pool, taken)
			if !address.IsValid() {
				log.Printf("service %s/%s: no address is left", service.Namespace, service.Name)
				continue
			}
			taken[address] = true
			if err := b.assign(ctx, service, address); err != nil {
				log.Printf("service %s/%s: %v", service.Namespace, service.Name, err)
				continue
			}
		}
		if node := choose(b.candidates(service), b.routes[address], address); node.IsValid() {
			wanted[address] = node
		}
	}
	b.apply(ctx, wanted)
}

// address returns what the Service has already got from our pool.
func (b *balancer) address(service *core.Service) (netip.Addr, bool) {
	for _, ingress := range service.Status.LoadBalancer.Ingress {
		if address, err := netip.ParseAddr(ingress.IP); err == nil && b.pool.Contains(address) {
			return address, true
		}
	}
	return netip.Addr{}, false
}

// firstFree skips the pool's first address, which names the network.
func firstFree(pool netip.Prefix, taken map[netip.Addr]bool) netip.Addr {
	for address := pool.Masked().Addr().Next(); pool.Contains(address); address = address.Next() {
		if !taken[address] {
			return address
		}
	}
	return netip.Addr{}
}

func (b *balancer) assign(ctx context.Context, service *core.Service, address netip.Addr) error {
	service = service.DeepCopy()
	service.Status.LoadBalancer.Ingress = []core.LoadBalancerIngress{{IP: address.String()}}
	_, err := b.client.CoreV1().Services(service.Namespace).UpdateStatus(ctx, service, meta.UpdateOptions{})
	if err == nil {
		log.Printf("service %s/%s: %s", service.Namespace, service.Name, address)
	}
	return err
}

// candidates returns the addresses of the nodes that can take the Service's traffic, in a fixed order.
func (b *balancer) candidates(service *core.Service) []netip.Addr {
	nodes, _ := b.nodes.List(labels.Everything())
	local := service.Spec.ExternalTrafficPolicy == core.ServiceExternalTrafficPolicyLocal
	serving := map[string]bool{}
	if local {
		serving = b.serving(service)
	}
	var found []netip.Addr
	for _, node := range nodes {
		_, fake := node.Annotations[fakeNode]
		_, excluded := node.Labels[core.LabelNodeExcludeBalancers]
		if fake || excluded || !isReady(node) || local && !serving[node.Name] {
			continue
		}
		for _, address := range node.Status.Addresses {
			if ip, err := netip.ParseAddr(address.Address); err == nil && address.Type == core.NodeInternalIP {
				found = append(found, ip)
				break
			}
		}
	}
	slices.SortFunc(found, netip.Addr.Compare)
	return found
}

// serving names the nodes with a ready endpoint of the Service.
func (b *balancer) serving(service *core.Service) map[string]bool {
	selector := labels.SelectorFromSet(labels.Set{discovery.LabelServiceName: service.Name})
	found := map[string]bool{}
	all, _ := b.slices.EndpointSlices(service.Namespace).List(selector)
	for _, slice := range all {
		for _, endpoint := range slice.Endpoints {
			ready := endpoint.Conditions.Ready == nil || *endpoint.Conditions.Ready
			if ready && endpoint.NodeName != nil {
				found[*endpoint.NodeName] = true
			}
		}
	}
	return found
}

func isReady(node *core.Node) bool {
	for _, condition := range node.Status.Conditions {
		if condition.Type == core.NodeReady {
			return condition.Status == core.ConditionTrue
		}
	}
	return false
}

// choose stays with the present node while it can serve, and spreads addresses over nodes otherwise.
func choose(candidates []netip.Addr, present, address netip.Addr) netip.Addr {
	if len(candidates) == 0 {
		return netip.Addr{}
	}
	if slices.Contains(candidates, present) {
		return present
	}
	bytes := address.AsSlice()
	return candidates[int(bytes[len(bytes)-1])%len(candidates)]
}

func (b *balancer) apply(ctx context.Context, wanted map[netip.Addr]netip.Addr) {
	for address, node := range wanted {
		if b.routes[address] == node {
			continue
		}
		if err := b.route(ctx, "replace", address.String(), "via", node.String()); err != nil {
			log.Printf("route to %s: %v", address, err)
			continue
		}
		b.routes[address] = node
		log.Printf("route: %s by %s", address, node)
	}
	for address := range b.routes {
		if _, still := wanted[address]; still {
			continue
		}
		if err := b.route(ctx, "delete", address.String()); err != nil {
			log.Printf("route to %s: %v", address, err)
		}
		delete(b.routes, address)
	}
}
