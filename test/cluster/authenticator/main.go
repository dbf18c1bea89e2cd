// Command authenticator runs the server of aws-iam-authenticator, which tells an API server of EKS whose a bearer token is,
// on 127.0.0.1 and with a stand-in for STS. All its verdicts are those of the published module; only where it finds STS,
// and whom it trusts there, comes from here.
//
//	authenticator -config FILE -sts HOST:PORT -sts-ca FILE
//
// The file has the members of the server's own config.Config. The program ends when its standard input ends: a caller that
// was killed leaves nothing behind.
package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/sirupsen/logrus"
	"sigs.k8s.io/aws-iam-authenticator/pkg/config"
	"sigs.k8s.io/aws-iam-authenticator/pkg/metrics"
	"sigs.k8s.io/aws-iam-authenticator/pkg/server"
)

func main() {
	configFile := flag.String("config", "", "configuration of the server, in JSON")
	sts := flag.String("sts", "", "address that stands for every endpoint of STS")
	stsCA := flag.String("sts-ca", "", "PEM of the authority that it is trusted by")
	flag.Parse()
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}()
	if err := run(*configFile, *sts, *stsCA); err != nil {
		fmt.Fprintln(os.Stderr, "authenticator:", err)
		os.Exit(1)
	}
}

func run(configFile, sts, stsCA string) error {
	text, err := os.ReadFile(configFile)
	if err != nil {
		return err
	}
	var cfg config.Config
	if err := json.Unmarshal(text, &cfg); err != nil {
		return err
	}
	pem, err := os.ReadFile(stsCA)
	if err != nil {
		return err
	}
	authorities := x509.NewCertPool()
	if !authorities.AppendCertsFromPEM(pem) {
		return errors.New("-sts-ca has no certificate in it")
	}

	// The verifier sends its requests through this transport. A connection goes to the stand-in, whatever host the request is for;
	// that host is still the one that the certificate must be for.
	http.DefaultTransport = &http.Transport{
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, sts)
		},
		TLSClientConfig: &tls.Config{RootCAs: authorities},
	}
	// No keys, profiles or proxies of whoever runs this, and no look for the machine's own role.
	os.Clearenv()
	os.Setenv("AWS_EC2_METADATA_DISABLED", "true")

	// The server answers health checks at this port of all addresses, but goes without when it is taken, by this or by
	// another test's authenticator.
	if health, err := net.Listen("tcp", "127.0.0.1:21363"); err == nil {
		defer health.Close()
	}
	logrus.SetFormatter(&logrus.JSONFormatter{})
	metrics.InitMetrics(prometheus.DefaultRegisterer)
	never := make(chan struct{})
	server.New(cfg, never).Run(never)
	return errors.New("the server ended")
}
