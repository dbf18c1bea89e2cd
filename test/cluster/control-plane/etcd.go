package main

import (
	"errors"
	"net/url"
	"path/filepath"
	"time"

	"go.etcd.io/etcd/server/v3/embed"
)

// startEtcd runs one member alone, on sockets in the state folder instead of TCP ports, and returns the clients' address.
func startEtcd(dir string) (string, error) {
	clients := url.URL{Scheme: "unix", Path: filepath.Join(dir, "etcd.sock")}
	peers := url.URL{Scheme: "unix", Path: filepath.Join(dir, "peer.sock")}
	c := embed.NewConfig()
	c.Dir = filepath.Join(dir, "etcd")
	c.LogLevel = "error"
	// Nobody needs the state after a crash of the machine.
	c.UnsafeNoFsync = true
	c.ListenClientUrls, c.AdvertiseClientUrls = []url.URL{clients}, []url.URL{clients}
	c.ListenPeerUrls, c.AdvertisePeerUrls = []url.URL{peers}, []url.URL{peers}
	c.InitialCluster = c.InitialClusterFromName(c.Name)
	etcd, err := embed.StartEtcd(c)
	if err != nil {
		return "", err
	}
	select {
	case <-etcd.Server.ReadyNotify():
		return clients.String(), nil
	case err := <-etcd.Err():
		return "", err
	case <-time.After(30 * time.Second):
		return "", errors.New("etcd was not ready in 30 s")
	}
}
