extension OpenAPI {
    /// What SDKs call with the public token.
    static let clientPaths = #"""
        "/track": {
          "get": {
            "tags": ["client"], "operationId": "trackByQuery", "summary": "Track events, given in the query.",
            "parameters": [
              {"$ref": "#/components/parameters/data"}, {"$ref": "#/components/parameters/verbose"},
              {"$ref": "#/components/parameters/strict"}, {"$ref": "#/components/parameters/img"},
              {"$ref": "#/components/parameters/callback"}, {"$ref": "#/components/parameters/ip"}
            ],
            "security": [],
            "responses": {\#(ingestResponses)}
          },
          "post": {
            "tags": ["client"], "operationId": "track", "summary": "Track events, $identify and $create_alias.",
            "parameters": [
              {"$ref": "#/components/parameters/verbose"}, {"$ref": "#/components/parameters/strict"},
              {"$ref": "#/components/parameters/img"}, {"$ref": "#/components/parameters/callback"},
              {"$ref": "#/components/parameters/ip"}
            ],
            "requestBody": {"content": {
              "application/json": {"schema": {"$ref": "#/components/schemas/Events"}},
              "application/x-www-form-urlencoded": {"schema": {"$ref": "#/components/schemas/Form"}},
              "text/plain": {"schema": {"type": "string", "description": "A form, JSON or base64 of JSON."}}
            }},
            "security": [],
            "responses": {\#(ingestResponses)}
          }
        },
        "/engage": {
          "get": {
            "tags": ["client"], "operationId": "updateProfilesByQuery",
              "summary": "Update profiles, given in the query.",
            "parameters": [
              {"$ref": "#/components/parameters/data"}, {"$ref": "#/components/parameters/verbose"},
              {"$ref": "#/components/parameters/strict"}, {"$ref": "#/components/parameters/img"},
              {"$ref": "#/components/parameters/callback"}
            ],
            "security": [],
            "responses": {\#(ingestResponses)}
          },
          "post": {
            "tags": ["client"], "operationId": "updateProfiles", "summary": "Update profiles.",
            "parameters": [
              {"$ref": "#/components/parameters/verbose"}, {"$ref": "#/components/parameters/strict"},
              {"$ref": "#/components/parameters/img"}, {"$ref": "#/components/parameters/callback"}
            ],
            "requestBody": {"content": {
              "application/json": {"schema": {"$ref": "#/components/schemas/ProfileUpdates"}},
              "application/x-www-form-urlencoded": {"schema": {"$ref": "#/components/schemas/Form"}},
              "text/plain": {"schema": {"type": "string"}}
            }},
            "security": [],
            "responses": {\#(ingestResponses)}
          }
        },
        "/groups": {
          "get": {
            "tags": ["client"], "operationId": "updateGroupsByQuery", "summary": "Update groups, given in the query.",
            "parameters": [
              {"$ref": "#/components/parameters/data"}, {"$ref": "#/components/parameters/verbose"},
              {"$ref": "#/components/parameters/strict"}, {"$ref": "#/components/parameters/img"},
              {"$ref": "#/components/parameters/callback"}
            ],
            "security": [],
            "responses": {\#(ingestResponses)}
          },
          "post": {
            "tags": ["client"], "operationId": "updateGroups", "summary": "Update groups.",
            "parameters": [
              {"$ref": "#/components/parameters/verbose"}, {"$ref": "#/components/parameters/strict"},
              {"$ref": "#/components/parameters/img"}, {"$ref": "#/components/parameters/callback"}
            ],
            "requestBody": {"content": {
              "application/json": {"schema": {"$ref": "#/components/schemas/GroupUpdates"}},
              "application/x-www-form-urlencoded": {"schema": {"$ref": "#/components/schemas/Form"}},
              "text/plain": {"schema": {"type": "string"}}
            }},
            "security": [],
            "responses": {\#(ingestResponses)}
          }
        },
        "/flags": {
          "get": {
            "tags": ["client"], "operationId": "flags", "summary": "The variants of one context: there are none.",
            "parameters": [
              {"name": "context", "in": "query", "required": true, "schema": {"type": "string"},
                "description": "A JSON object with distinct_id.", "example": "{\"distinct_id\":\"u\"}"},
              {"$ref": "#/components/parameters/token"},
              {"$ref": "#/components/parameters/project_id"}
            ],
            "security": [{"token": []}, {"basic": []}, {}],
            "responses": {
              "200": {"description": "No flag.", "content": {"application/json": {"schema": {
                "type": "object", "required": ["code", "flags"],
                "properties": {"code": {"const": 200}, "flags": {"type": "object"}}}}}},
              "400": {"$ref": "#/components/responses/BadRequest"},
              "401": {"$ref": "#/components/responses/Unauthorized"},
              "403": {"$ref": "#/components/responses/Forbidden"}
            }
          }
        },
        "/flags/definitions": {
          "get": {
            "tags": ["client"], "operationId": "flagDefinitions", "summary": "The rules of flags: there are none.",
            "security": [],
            "responses": {
              "200": {"description": "No flag.", "content": {"application/json": {"schema": {
                "type": "object", "required": ["code", "flags"],
                "properties": {"code": {"const": 200}, "flags": {"type": "array"}}}}}}
            }
          }
        },
        "/flags/{flagID}/first-time-events": {
          "post": {
            "tags": ["client"], "operationId": "firstTimeEvent", "summary": "Taken, and not kept.",
            "parameters": [
              {"name": "flagID", "in": "path", "required": true, "schema": {"type": "string",
                "pattern": "^[0-9a-f-]{1,40}$"}}
            ],
            "requestBody": {"content": {"application/json": {"schema": {"type": "object"}}}},
            "security": [],
            "responses": {
              "200": {"description": "Taken.", "content": {"application/json": {"schema": {
                "$ref": "#/components/schemas/Done"}}}},
              "408": {"$ref": "#/components/responses/TooSlow"}, "413": {"$ref": "#/components/responses/TooLarge"},
              "429": {"$ref": "#/components/responses/TooMany"}
            }
          }
        },
        "/settings": {
          "get": {
            "tags": ["client"], "operationId": "settings",
              "summary": "Remote settings of the JavaScript SDK: there are none.",
            "security": [],
            "responses": {
              "200": {"description": "No setting.", "content": {"application/json": {"schema": {"type": "object"}}}}
            }
          }
        },
        "/record": {
          "post": {
            "tags": ["client"], "operationId": "record", "summary": "Chunks of session replay: taken, and not kept.",
            "requestBody": {"content": {"application/octet-stream": {"schema": {"type": "string",
              "format": "binary"}}}},
            "security": [],
            "responses": {
              "200": {"description": "Taken.", "content": {"application/json": {"schema": {
                "type": "object", "required": ["code", "status"],
                "properties": {"code": {"const": 200}, "status": {"const": "OK"}}}}}},
              "408": {"$ref": "#/components/responses/TooSlow"}, "413": {"$ref": "#/components/responses/TooLarge"},
              "429": {"$ref": "#/components/responses/TooMany"}
            }
          }
        },
        "/decide": {
          "get": {
            "tags": ["client"], "operationId": "decide", "summary": "What old SDKs poll: nothing to show.",
            "security": [],
            "responses": {
              "200": {"description": "Nothing.", "content": {"application/json": {"schema": {
                "type": "object", "required": ["notifications", "surveys", "variants", "event_bindings"]}}}}
            }
          }
        }
        """#

    /// The answers of the endpoints that take records without a credential.
    private static let ingestResponses = #"""
        "200": {"$ref": "#/components/responses/Verdict"}, "403": {"$ref": "#/components/responses/Forbidden"},
              "408": {"$ref": "#/components/responses/TooSlow"}, "413": {"$ref": "#/components/responses/TooLarge"},
              "429": {"$ref": "#/components/responses/TooMany"}, "500": {"$ref": "#/components/responses/Failed"},
              "503": {"$ref": "#/components/responses/Unavailable"}
        """#
}
