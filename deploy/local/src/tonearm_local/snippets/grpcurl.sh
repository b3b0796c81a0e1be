TOKEN=$(@@{grpcurl} -plaintext -d '{"email": "@@{email}", "password": "@@{password}"}' @@{address} tonearm.auth.v1.AuthService/Login | sed -nE 's/.*"access_?[Tt]oken": "([^"]+)".*/\1/p')
@@{grpcurl} -plaintext -H "Authorization: Bearer $TOKEN" -d '{"page_size": 5}' @@{address} tonearm.gateway.v1.ConversionService/ListConversions
