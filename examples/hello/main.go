// Hello is a small, real program to build through Gopherwood: a greeting for the terminal and for the web.
//
// It is the kind of program that a team writes in its first week: a command line (cobra), settings from a file and the
// environment (viper), structured logs (zap), a router (chi), metrics (prometheus) and a little colour (lipgloss).
// Together they bring more than forty modules into the build: `go build` asks for the .info, .mod and .zip of each.
//
//	export GOPROXY=http://127.0.0.1:8480,off
//	go build . && ./hello greet Gopher
package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"time"

	"github.com/charmbracelet/lipgloss"
	"github.com/dustin/go-humanize"
	"github.com/go-chi/chi/v5"
	"github.com/go-chi/cors"
	"github.com/go-chi/httprate"
	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/spf13/cobra"
	"github.com/spf13/viper"
	"github.com/unrolled/secure"
	"go.uber.org/zap"
	"golang.org/x/mod/semver"
	"golang.org/x/sync/errgroup"
)

var started = time.Now()

// load reads a YAML, TOML, JSON or HCL file over the defaults, and the environment (HELLO_GREETING, ...) over both.
func load(path string) (*viper.Viper, error) {
	config := viper.New()
	config.SetDefault("greeting", "Hello")
	config.SetDefault("listen", "127.0.0.1:8400")
	config.SetEnvPrefix("hello")
	config.AutomaticEnv()
	if path == "" {
		return config, nil
	}
	config.SetConfigFile(path)
	return config, config.ReadInConfig()
}

// handler answers GET /greet/{name} and GET /metrics; every answer carries a request id.
func handler(config *viper.Viper, log *zap.Logger) http.Handler {
	registry := prometheus.NewRegistry()
	greetings := prometheus.NewCounter(prometheus.CounterOpts{Name: "hello_greetings_total", Help: "Greetings given."})
	registry.MustRegister(greetings)
	router := chi.NewRouter()
	router.Use(secure.New().Handler, cors.AllowAll().Handler, httprate.LimitByIP(100, time.Second))
	router.Get("/greet/{name}", func(w http.ResponseWriter, r *http.Request) {
		id, name := uuid.NewString(), chi.URLParam(r, "name")
		greetings.Inc()
		log.Info("greeted", zap.String("request", id), zap.String("name", name))
		w.Header().Set("X-Request-Id", id)
		fmt.Fprintf(w, "%s, %s! Up since %s.\n", config.GetString("greeting"), name, humanize.Time(started))
	})
	router.Handle("/metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	return router
}

// serve answers until the program is interrupted, then finishes what is under way.
func serve(config *viper.Viper) error {
	address := config.GetString("listen")
	log, err := zap.NewProduction()
	if err != nil {
		return err
	}
	interrupted, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	server := &http.Server{Addr: address, Handler: handler(config, log), ReadHeaderTimeout: 10 * time.Second}
	both, ctx := errgroup.WithContext(interrupted)
	both.Go(func() error {
		log.Info("listening", zap.String("address", address))
		if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
			return err
		}
		return nil
	})
	both.Go(func() error {
		<-ctx.Done()
		return server.Shutdown(context.Background())
	})
	return both.Wait()
}

func command() *cobra.Command {
	var path string
	root := &cobra.Command{Use: "hello", Short: "Greet somebody, on a terminal or over HTTP", SilenceUsage: true}
	root.PersistentFlags().StringVar(&path, "config", "", "a YAML, TOML, JSON or HCL file")
	root.AddCommand(&cobra.Command{
		Use: "greet NAME", Args: cobra.ExactArgs(1), Short: "print a greeting",
		RunE: func(cmd *cobra.Command, args []string) error {
			config, err := load(path)
			if err != nil {
				return err
			}
			style := lipgloss.NewStyle().Bold(true).Foreground(lipgloss.Color("6"))
			fmt.Fprintln(cmd.OutOrStdout(), style.Render(config.GetString("greeting")+", "+args[0]+"!"))
			return nil
		},
	}, &cobra.Command{
		Use: "serve", Args: cobra.NoArgs, Short: "answer GET /greet/{name} and /metrics",
		RunE: func(cmd *cobra.Command, args []string) error {
			config, err := load(path)
			if err != nil {
				return err
			}
			return serve(config)
		},
	}, &cobra.Command{
		Use: "newer A B", Args: cobra.ExactArgs(2), Short: "print the newer of two versions",
		Run: func(cmd *cobra.Command, args []string) {
			newer := args[0]
			if semver.Compare(args[1], newer) > 0 {
				newer = args[1]
			}
			fmt.Fprintln(cmd.OutOrStdout(), newer)
		},
	})
	return root
}

func main() {
	if command().Execute() != nil {
		os.Exit(1)
	}
}
