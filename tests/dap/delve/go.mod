module gospect.example/dap/delve

go 1.25.0

require (
	github.com/go-delve/delve v1.27.2
	github.com/google/go-dap v0.12.0
)
