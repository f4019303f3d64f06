import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.Map;
import org.flywaydb.core.Flyway;
import org.flywaydb.core.api.MigrationInfo;
import org.flywaydb.core.api.configuration.FluentConfiguration;
import org.flywaydb.core.api.output.ValidateOutput;
import org.flywaydb.core.api.output.ValidateResult;
import org.flywaydb.core.extensibility.ConfigurationExtension;

/**
 * The real Flyway, told what to do line by line, so that one JVM serves a whole run of comparisons.
 *
 * A request is one line, its fields separated by tabs: a verb, then Flyway's own settings as key=value. The answer is lines of
 * fields separated by tabs, ended by "ok", or "failed" with the message. In fields \\, \t and \n are written with a backslash.
 */
public class Driver {
    public static void main(String[] arguments) throws Exception {
        PrintStream out = new PrintStream(System.out, false, StandardCharsets.UTF_8);
        // Flyway's own words go to the log; the answers are ours alone.
        System.setOut(System.err);
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = in.readLine(); line != null; line = in.readLine()) {
            String[] fields = line.split("\t");
            Map<String, String> settings = new HashMap<>();
            for (int i = 1; i < fields.length; i++) {
                String[] pair = fields[i].split("=", 2);
                settings.put(unescape(pair[0]), unescape(pair[1]));
            }
            try {
                perform(fields[0], settings, out);
                out.print("ok\n");
            } catch (Exception | LinkageError error) {
                StringBuilder said = new StringBuilder();
                for (Throwable cause = error; cause != null; cause = cause.getCause()) {
                    said.append(said.length() == 0 ? "" : " / ").append(cause.getMessage());
                }
                out.print("failed\t" + escape(said.toString()) + "\n");
            }
            out.flush();
        }
    }

    private static void perform(String verb, Map<String, String> settings, PrintStream out) throws ReflectiveOperationException {
        Flyway flyway = load(settings);
        switch (verb) {
            case "migrate" -> flyway.migrate();
            case "baseline" -> flyway.baseline();
            case "repair" -> flyway.repair();
            case "undo" -> flyway.undo();
            case "info" -> info(flyway, out);
            case "validate" -> validate(flyway, out);
            default -> throw new IllegalArgumentException("no verb: " + verb);
        }
    }

    /** The current major takes an engine's own settings only by its own classes; the older one has none of those. */
    private static Flyway load(Map<String, String> settings) throws ReflectiveOperationException {
        String own = "org.flywaydb.database.postgresql.PostgreSQLConfigurationExtension";
        Class<? extends ConfigurationExtension> extension;
        try {
            extension = Class.forName(own).asSubclass(ConfigurationExtension.class);
        } catch (ClassNotFoundException older) {
            return Flyway.configure().configuration(settings).load();
        }
        Map<String, String> rest = new HashMap<>(settings);
        String lock = rest.remove("flyway.postgresql.transactional.lock");
        FluentConfiguration configuration = Flyway.configure().configuration(rest);
        Object one = configuration.getClass().getMethod("getConfigurationExtension", Class.class).invoke(configuration, extension);
        extension.getMethod("setTransactionalLock", boolean.class).invoke(one, Boolean.parseBoolean(lock));
        return configuration.load();
    }

    private static void info(Flyway flyway, PrintStream out) {
        for (MigrationInfo one : flyway.info().all()) {
            Object[] fields = {
                one.getState().getDisplayName(), one.getVersion(), one.getDescription(), one.getType().name(), one.getScript(),
                one.getInstalledRank(), one.getChecksum()
            };
            StringBuilder line = new StringBuilder("row");
            for (Object field : fields) {
                line.append('\t').append(field == null ? "-" : escape(field.toString()));
            }
            out.print(line.append('\n'));
        }
    }

    private static void validate(Flyway flyway, PrintStream out) {
        ValidateResult result = flyway.validateWithResult();
        if (result.invalidMigrations != null) {
            for (ValidateOutput one : result.invalidMigrations) {
                out.print("row\t" + one.errorDetails.errorCode + "\t" + escape(one.errorDetails.errorMessage) + "\n");
            }
        }
        if (result.errorDetails != null && !result.validationSuccessful && (result.invalidMigrations == null || result.invalidMigrations.isEmpty())) {
            out.print("row\t" + result.errorDetails.errorCode + "\t" + escape(result.errorDetails.errorMessage) + "\n");
        }
    }

    private static String escape(String text) {
        return text.replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n");
    }

    private static String unescape(String text) {
        return text.replace("\\n", "\n").replace("\\t", "\t").replace("\\\\", "\\");
    }
}
