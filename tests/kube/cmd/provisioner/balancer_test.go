package main

import (
	"net/netip"
	"testing"
)

func TestAddressesAreGivenOnceAndRunOut(t *testing.T) {
	pool := netip.MustParsePrefix("10.98.0.0/30")
	taken := map[netip.Addr]bool{}
	for _, want := range []string{"10.98.0.1", "10.98.0.2", "10.98.0.3"} {
		got := firstFree(pool, taken)
		if got.String() != want {
			t.Fatalf("got %s, want %s", got, want)
		}
		taken[got] = true
	}
	if got := firstFree(pool, taken); got.IsValid() {
		t.Fatalf("got %s from an empty pool", got)
	}
}

func TestARouteStaysWhileItsNodeServes(t *testing.T) {
	first, second := netip.MustParseAddr("10.77.0.11"), netip.MustParseAddr("10.77.0.12")
	address := netip.MustParseAddr("10.98.0.2")
	both := []netip.Addr{first, second}
	for _, present := range both {
		if got := choose(both, present, address); got != present {
			t.Fatalf("left %s for %s", present, got)
		}
	}
	if got := choose([]netip.Addr{second}, first, address); got != second {
		t.Fatalf("stayed at %s, which does not serve", got)
	}
	if got := choose(nil, first, address); got.IsValid() {
		t.Fatalf("chose %s of none", got)
	}
}
