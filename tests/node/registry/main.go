// Registry serves the images of the node tests on loopback, under any host:
// containerd is told to ask it for every registry. Some repositories behave
// badly on purpose, so that pulls that are slow, stuck, forbidden or in vain
// are real ones.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

// image is what DIR/NAME.json says of the root file system in DIR/NAME.tar.
type image struct {
	Names      []string // repository:tag, without a host
	Entrypoint []string
	Cmd        []string
	User       string
}

const (
	// Repositories below these behave in their own way; below `slow/` stand
	// the others once more.
	forbidden = "forbidden/"
	stuck     = "stuck/"
	slow      = "slow/"
	slowness  = 3 * time.Second
)

func main() {
	log.SetFlags(0)
	images := flag.String("images", "", "directory with NAME.tar and NAME.json")
	flag.Parse()
	if err := run(*images); err != nil {
		log.Fatalf("registry: %v", err)
	}
}

// run prints its address once everything can be pulled.
func run(dir string) error {
	built, err := build(dir)
	if err != nil {
		return err
	}
	handler := registry.New(registry.Logger(log.New(os.Stderr, "", log.Ltime)))
	if err := push(handler, built); err != nil {
		return err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Println(listener.Addr())
	return http.Serve(listener, misbehaving(handler))
}

// build reads every image in dir, by repository:tag.
func build(dir string) (map[string]v1.Image, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.json"))
	if err != nil {
		return nil, err
	}
	built := map[string]v1.Image{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		var of image
		if err := json.Unmarshal(text, &of); err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		layer, err := tarball.LayerFromFile(strings.TrimSuffix(file, ".json") + ".tar")
		if err != nil {
			return nil, err
		}
		// Docker's media types, which every containerd reads.
		img, err := mutate.AppendLayers(empty.Image, layer)
		if err != nil {
			return nil, err
		}
		config, err := img.ConfigFile()
		if err != nil {
			return nil, err
		}
		config = config.DeepCopy()
		config.Architecture, config.OS = runtime.GOARCH, "linux"
		config.Config = v1.Config{Entrypoint: of.Entrypoint, Cmd: of.Cmd, User: of.User,
			Env: []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}}
		if img, err = mutate.ConfigFile(img, config); err != nil {
			return nil, err
		}
		for _, n := range of.Names {
			built[n] = img
		}
	}
	return built, nil
}

// push fills the registry as any client would.
func push(handler http.Handler, built map[string]v1.Image) error {
	server := httptest.NewServer(handler)
	defer server.Close()
	for n, img := range built {
		for _, prefix := range []string{"", slow} {
			ref, err := name.ParseReference(strings.TrimPrefix(server.URL, "http://")+"/"+prefix+n, name.Insecure)
			if err != nil {
				return err
			}
			if err := remote.Write(ref, img); err != nil {
				return err
			}
		}
	}
	return nil
}

func misbehaving(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		path := strings.TrimPrefix(r.URL.Path, "/v2/")
		switch {
		case strings.HasPrefix(path, forbidden):
			http.Error(w, `{"errors":[{"code":"DENIED","message":"not for you"}]}`, http.StatusForbidden)
			return
		case strings.HasPrefix(path, stuck):
			<-r.Context().Done()
			return
		case strings.HasPrefix(path, slow) && r.Method == http.MethodHead:
			// Blobs that containerd has already are not asked for again; the
			// tag always is.
			time.Sleep(slowness)
		}
		next.ServeHTTP(w, r)
	})
}
