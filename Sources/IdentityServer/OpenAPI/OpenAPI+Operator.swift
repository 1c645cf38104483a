extension OpenAPI {
    /// What whoever runs the server calls.
    static let operatorPaths = #"""
        \#(healthPath("/health", "health", "Whether the server works and its store can be read.")),
        \#(healthPath("/health/live", "live", "Whether the process answers.")),
        \#(healthPath("/health/ready", "ready", "Whether it can take requests: the store can be read and written.")),
        "/openapi.json": {
          "get": {
            "tags": ["operator"], "operationId": "description", "summary": "This document.", "security": [],
            "responses": {"200": {"description": "OpenAPI 3.1.", "content": {"application/json": {"schema": {
              "type": "object", "required": ["openapi", "info", "paths", "components"]}}}},
              "400": {"$ref": "#/components/responses/BadRequest"}}
          }
        },
        "/sandbox/reset": {
          "post": {
            "tags": ["operator"], "operationId": "resetSandbox",
              "summary": "Forget everything but the projects, or everything of one project.",
            "parameters": [{"name": "project_id", "in": "query", "schema": {"type": "integer", "minimum": 1},
              "description": "The project to empty; all without it. The clock is then left alone."}],
            "requestBody": {"content": {"application/json": {"schema": {"type": "object", "additionalProperties": false,
              "properties": {"project_id": {"type": "integer", "minimum": 1}}}}}},
            "security": [],
            "responses": {
              "400": {"$ref": "#/components/responses/BadRequest"}, "408": {"$ref": "#/components/responses/TooSlow"},
              "413": {"$ref": "#/components/responses/TooLarge"}, \#(sandboxResponses)
            }
          }
        },
        "/sandbox/clock": {
          "get": {
            "tags": ["operator"], "operationId": "sandboxClock", "summary": "What the clock says.",
            "security": [],
            "responses": {
              "200": {"description": "Seconds since 1970, and whether the clock goes on.", "content": {
                "application/json": {"schema": {"type": "object", "required": ["now", "running"],
                  "additionalProperties": false,
                  "properties": {"now": {"type": "number"}, "running": {"type": "boolean"}}}}}},
              "400": {"$ref": "#/components/responses/BadRequest"},
              "403": {"$ref": "#/components/responses/Forbidden"}, "404": {"$ref": "#/components/responses/NotFound"}
            }
          },
          "put": {
            "tags": ["operator"], "operationId": "setSandboxClock",
              "summary": "Stop the clock at a second, or let it run.",
            "requestBody": {"required": true, "content": {"application/json": {"schema": {
              "type": "object", "required": ["now"], "additionalProperties": false,
              "properties": {"now": {"type": ["number", "null"], "minimum": 0, "maximum": 100000000000}}}}}},
            "security": [],
            "responses": {
              "400": {"$ref": "#/components/responses/BadRequest"}, "408": {"$ref": "#/components/responses/TooSlow"},
              "413": {"$ref": "#/components/responses/TooLarge"}, \#(sandboxResponses)
            }
          }
        }
        """#

    private static func healthPath(_ path: String, _ name: String, _ summary: String) -> String {
        #"""
        "\#(path)": {
          "get": {
            "tags": ["operator"], "operationId": "\#(name)", "summary": "\#(summary)", "security": [],
            "responses": {
              "200": {"description": "It does.", "content": {"application/json": {"schema": {
                "$ref": "#/components/schemas/Done"}}}},
              "400": {"$ref": "#/components/responses/BadRequest"},
              "503": {"$ref": "#/components/responses/Unavailable"}
            }
          }
        }
        """#
    }

    private static let sandboxResponses = #"""
        "200": {"description": "Done.",
          "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Done"}}}},
              "403": {"$ref": "#/components/responses/Forbidden"}, "404": {"$ref": "#/components/responses/NotFound"},
              "429": {"$ref": "#/components/responses/TooMany"}, "503": {"$ref": "#/components/responses/Unavailable"}
        """#
}
