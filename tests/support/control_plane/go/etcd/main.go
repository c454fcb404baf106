// Command etcd is the stock etcd server: upstream publishes its main package
// in a module that cannot be pinned beside Kubernetes' own etcd client, so the
// entry point is here and the server comes from the pinned library.
package main

import (
	"os"

	"go.etcd.io/etcd/server/v3/etcdmain"
)

func main() { etcdmain.Main(os.Args) }
