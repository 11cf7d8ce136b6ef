import HTTP
import Wire

/// The description of a server's routes, made from their own declarations (OpenAPI 3.1).
package enum OpenAPI {
    package static func document(title: String, version: String, routes: [Route]) -> JSON {
        var paths = JSONObject()
        for route in routes where !route.isHidden {
            let path = route.path.replacingRest()
            var operations = paths[path]?.object ?? JSONObject()
            operations[route.method.rawValue.lowercased()] = operation(route)
            paths[path] = .object(operations)
        }
        return [
            "openapi": "3.1.0", "info": ["title": .string(title), "version": .string(version)], "paths": .object(paths),
            "components": ["schemas": ["Error": errorSchema], "securitySchemes": ["user": ["type": "http", "scheme": "bearer"]]],
        ]
    }

    /// The form of `HTTPProblem`.
    private static let errorSchema: JSON = [
        "type": "object", "required": ["error"],
        "properties": [
            "error": [
                "type": "object", "required": ["code", "message"],
                "properties": [
                    "code": ["type": "string", "description": "for programs"], "message": ["type": "string", "description": "for people"],
                ],
            ]
        ],
    ]

    private static func operation(_ route: Route) -> JSON {
        var operation: JSONObject = ["summary": .string(route.summary)]
        if let tag = route.tag { operation["tags"] = [.string(tag)] }
        let parameters = pathParameters(route) + route.parameters
        if !parameters.isEmpty { operation["parameters"] = .array(parameters.map(parameter)) }
        if route.body != nil || route.bodyType != nil {
            let types = (route.bodyType ?? "application/json").split(separator: ",").map { String($0).trimmingPrefix(" ") }
            let content = types.map { (String($0), ["schema": route.body ?? true] as JSON) }
            operation["requestBody"] = ["required": true, "content": .object(JSONObject(content))]
        }
        var answers = JSONObject()
        for answer in route.answers {
            var described: JSONObject = ["description": .string(answer.text)]
            if answer.status.allowsBody {
                described["content"] = .object([answer.type: ["schema": answer.schema ?? true] as JSON])
            }
            answers[String(answer.status.rawValue)] = .object(described)
        }
        if case .webSocket = route.handler { answers["101"] = ["description": "A WebSocket"] }
        if answers.isEmpty { answers["200"] = ["description": "Done"] }
        answers["default"] = [
            "description": "What is wrong", "content": ["application/json": ["schema": ["$ref": "#/components/schemas/Error"]]],
        ]
        operation["responses"] = .object(answers)
        if route.needsUser { operation["security"] = [["user": []]] }
        return .object(operation)
    }

    /// Those that the path names and nobody described.
    private static func pathParameters(_ route: Route) -> [Route.Parameter] {
        let described = Set(route.parameters.filter { $0.place == .path }.map(\.name))
        return route.path.split(separator: "/").compactMap { segment in
            guard segment.hasPrefix("{"), segment.hasSuffix("}") else { return nil }
            let name = segment.dropFirst().dropLast().filter { $0 != "*" }
            return described.contains(name) ? nil : Route.Parameter(name, .path, "part of the path")
        }
    }

    private static func parameter(_ parameter: Route.Parameter) -> JSON {
        [
            "name": .string(parameter.name), "in": .string(parameter.place.rawValue), "description": .string(parameter.text),
            "required": .bool(parameter.isRequired), "schema": parameter.schema,
        ]
    }
}

extension String {
    /// OpenAPI knows no mark for the rest of a path.
    fileprivate func replacingRest() -> String { filter { $0 != "*" } }
}
