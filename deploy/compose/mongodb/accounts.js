// Run once by the image, when the store is empty: an account for each service, with rights on what it
// owns and on the bytes it has to touch, and on nothing else.
const accounts = {
  gateway: {gateway: "readWrite", videos: "readWrite", audio: "readWrite"},
  converter: {converter: "readWrite", videos: "read", audio: "readWrite"},
  notifier: {notifier: "readWrite"},
};

for (const [name, rights] of Object.entries(accounts)) {
  db.getSiblingDB("admin").createUser({
    user: name,
    pwd: process.env[`MONGODB_${name.toUpperCase()}_PASSWORD`],
    roles: Object.entries(rights).map(([database, role]) => ({role, db: database})),
  });
}
