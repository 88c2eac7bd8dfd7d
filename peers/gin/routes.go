package main

import (
	"net/http"

	"github.com/gin-gonic/gin"
)

// services are the databases and the upstream, shared by all requests.
type services struct {
	postgres *postgres
	sqlite   *sqlite
	upstream *upstream
}

func newServices(conf settings) services {
	return services{newPostgres(conf), newSQLite(conf), newUpstream(conf)}
}

func (s services) close() {
	s.postgres.close()
	s.sqlite.close()
}

func newRouter(s services) http.Handler {
	router := newEngine()
	router.GET("/ping", ping)
	router.GET("/async/http", answering(s.upstream.relay))
	router.GET("/users", answering(s.postgres.listUsers))
	router.GET("/tasks", answering(s.postgres.listTasks))
	router.POST("/tasks", answering(s.postgres.addTask))

	router.GET("/", hello)
	router.GET("/health", s.sqlite.checkHealth)
	router.POST("/echo", answering(echoBody))
	router.GET("/echo/:text", answering(echoText))
	router.GET("/db/items", answering(s.sqlite.listItems))
	router.POST("/db/items", answering(s.sqlite.addItem))
	router.GET("/stress/cpu/:n", answering(stressCPU))
	router.GET("/stress/memory/:mb", answering(stressMemory))
	return router
}

// newEngine uses each path as sent: no redirects, and an escaped slash does not separate segments.
func newEngine() *gin.Engine {
	gin.SetMode(gin.ReleaseMode)
	engine := gin.New()
	engine.RedirectTrailingSlash = false
	engine.RedirectFixedPath = false
	engine.HandleMethodNotAllowed = true
	engine.UseEscapedPath = true
	// gin would unescape it like a query, where + is a space; see pathText.
	engine.UnescapePathValues = false
	engine.Use(gin.CustomRecovery(func(c *gin.Context, _ any) {
		refuse(c, problem{http.StatusInternalServerError, "a bug; see stderr"})
	}))
	engine.NoRoute(refusing(http.StatusNotFound))
	engine.NoMethod(refusing(http.StatusMethodNotAllowed))
	return engine
}

func ping(c *gin.Context) {
	c.JSON(http.StatusOK, gin.H{"ping": "pong"})
}

func hello(c *gin.Context) {
	c.JSON(http.StatusOK, gin.H{"message": "hello", "server": "gin"})
}
