/**
 * A key and a self-signed certificate for this machine's own names, in PEM, made anew each time
 * and kept nowhere. It proves nothing to anybody: clients must be told to trust it.
 */
export const selfSigned = async (): Promise<{ key: string; cert: string }> => {
  if (!Bun.which("openssl"))
    throw new Error("--tls needs openssl, which makes its certificate; install it");
  const command =
    "openssl req -x509 -days 30 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout - " +
    "-out - -subj /CN=localhost -addext subjectAltName=DNS:localhost,IP:127.0.0.1,IP:::1";
  const openssl = Bun.spawn(command.split(" "), { stdout: "pipe", stderr: "pipe" });
  const [pem, said] = await Promise.all([openssl.stdout.text(), openssl.stderr.text()]);
  if ((await openssl.exited) !== 0) throw new Error(`openssl made no certificate: ${said.trim()}`);
  return { key: pem, cert: pem };
};
