// Command control-plane runs a real Kubernetes control plane in one process: etcd, kube-apiserver and the controllers of
// kube-controller-manager. No container, no root, nothing but 127.0.0.1 and a state folder.
//
//	control-plane -dir DIR -kubeconfig FILE -- KUBE-APISERVER-FLAGS -- KUBE-CONTROLLER-MANAGER-FLAGS
//
// Keys, tokens and all flags come from the caller (local/control-plane). It ends on SIGTERM, and when its standard input
// ends: a caller that was killed leaves nothing behind.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"syscall"
)

func main() {
	dir := flag.String("dir", "", "state folder; it exists")
	kubeconfig := flag.String("kubeconfig", "", "who the controllers are, and where the API server is")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		stop()
	}()
	if err := run(ctx, *dir, *kubeconfig, flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "control-plane:", err)
		os.Exit(1)
	}
}

// run starts the three parts in the order in which they need each other, and ends with the first that ends.
func run(ctx context.Context, dir, kubeconfig string, args []string) error {
	if dir == "" || kubeconfig == "" {
		return errors.New("-dir and -kubeconfig are required")
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return err
	}
	serverFlags, controllerFlags := args, []string{}
	if i := slices.Index(args, "--"); i >= 0 {
		serverFlags, controllerFlags = args[:i], args[i+1:]
	}

	// etcd is not closed at the end: it would wait seconds for the watches of the others, and nobody needs its state.
	etcd, err := startEtcd(dir)
	if err != nil {
		return err
	}
	ended := make(chan error, 2)
	go func() { ended <- runAPIServer(ctx, append(serverFlags, "--etcd-servers="+etcd)) }()
	if err := waitForAPIServer(ctx, kubeconfig, ended); err != nil {
		return err
	}
	go func() {
		ended <- runControllers(ctx, append(controllerFlags,
			"--kubeconfig="+kubeconfig,
			"--authentication-kubeconfig="+kubeconfig,
			"--authorization-kubeconfig="+kubeconfig))
	}()
	select {
	case <-ctx.Done():
		return nil
	case err := <-ended:
		return err
	}
}
